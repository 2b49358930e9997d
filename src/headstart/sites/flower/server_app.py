"""The app that Flower starts beside its SuperLink: it waits for the sites, then runs one arm or a probe."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from headstart.core.errors import ClientError, HeadstartError, SettingError, nearest
from headstart.core.files import write_json
from headstart.core.visible import visible
from headstart.sites.arms import arm_lines, run_arm
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.keys import signs_with
from headstart.sites.flower.local import LAST
from headstart.sites.probe.server import run_probe
from headstart.sites.server import open_server
from headstart.sites.settings import RunSettings
from headstart.sites.verdict import tell_answer
from headstart.sites.wire import read
from headstart.study.written.arms import Arm
from headstart.study.written.load import load_study

app = ServerApp()


@app.main()
def _main(grid: Grid, context: Context) -> None:
    """Run what the run's settings say; an error is one line of the run's log."""
    try:
        said = read(RunSettings, json.dumps(dict(context.run_config)), "run-config", SettingError)
        write_json(Path(said.out) / LAST, _run(grid, said))
    except HeadstartError as error:
        _tell(f"error: {error}")


def _run(grid: Grid, said: RunSettings) -> dict[str, Any]:
    """Run one arm, or the probe, and return what it came to."""
    file = load_study(Path(said.study))
    addresses = _wait_for(grid, said.sites, said.wait)
    server = open_server(
        file,
        GridAsk(grid, timeout=said.timeout, enough=said.enough),
        addresses,
        out=Path(said.out),
        seed=said.seed,
        sign=signs_with(Path(said.sign)) if said.sign else None,
        tell=_tell,
    )
    if said.arm == "probe":
        return run_probe(server, secure=said.secure, noise=said.noise, bound=said.bound)
    found = run_arm(server, _chosen(file.arms, said.arm))
    for line in arm_lines(found, file.settings.decision.metric):
        _tell(line)
    tell_answer(server)
    return found


def _tell(text: str) -> None:
    """Say what is being done, in the run's log."""
    print(visible(text), flush=True)


def _chosen(arms: tuple[Arm, ...], name: str) -> Arm:
    """Return the arm of this name."""
    known = {arm.name: arm for arm in arms}
    if name not in known:
        raise SettingError(f"--arm: must be written in the study file, received {name!r}; {nearest(name, known)}")
    return known[name]


def _wait_for(grid: Grid, sites: int, seconds: float) -> list[int]:
    """Return the addresses of the sites, once so many are there."""
    end = time.monotonic() + seconds
    while len(found := sorted(grid.get_node_ids())) < sites:
        if time.monotonic() > end:
            raise ClientError(f"federation: {sites} sites were to come within {seconds:g} s, received {len(found)}")
        time.sleep(0.5)
    return found
