"""The app that Flower starts beside its SuperLink: it waits for the sites, then runs one arm or a probe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from headstart.core.errors import ClientError, HeadstartError, SettingError, nearest
from headstart.core.files import write_json
from headstart.sites.arms import run_arm
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.keys import signs_with
from headstart.sites.flower.local import LAST
from headstart.sites.report import run_probe, say_arm
from headstart.sites.server import open_server
from headstart.study.written.arms import Arm
from headstart.study.written.load import load_study

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run what the run's settings say; an error is one line of the run's log."""
    try:
        found = run(grid, context.run_config)
    except HeadstartError as error:
        tell(f"error: {error}")
    else:
        write_json(Path(str(context.run_config["out"])) / LAST, found)


def run(grid: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Run one arm, or the probe, and return what it came to."""
    file = load_study(Path(str(said["study"])))
    ask = GridAsk(grid, timeout=float(said["timeout"]), enough=float(said["enough"]))
    sign = signs_with(Path(str(said["sign"]))) if said["sign"] else None
    addresses = wait_for(grid, int(said["sites"]), float(said["wait"]))
    server = open_server(file, ask, addresses, Path(str(said["out"])), int(said["seed"]), sign, tell)
    if said["arm"] == "probe":
        options = {"noise": float(said["noise"]), "bound": float(said["bound"])}
        return run_probe(server, secure=bool(said["secure"]), **options)
    found = run_arm(server, chosen(file.arms, str(said["arm"])))
    say_arm(server, found)
    return found


def tell(text: str) -> None:
    """Say what is being done, in the run's log."""
    print(text, flush=True)


def chosen(arms: tuple[Arm, ...], name: str) -> Arm:
    """Return the arm of this name.

    Raises:
        SettingError: the study file has none.
    """
    known = {arm.name: arm for arm in arms}
    if name not in known:
        raise SettingError(f"--arm: must be written in the study file, received {name!r}; {nearest(name, known)}")
    return known[name]


def wait_for(grid: Any, sites: int, seconds: float) -> list[int]:
    """Return the addresses of the sites, once so many are there.

    Raises:
        ClientError: the time is up.
    """
    end = time.monotonic() + seconds
    while len(found := sorted(grid.get_node_ids())) < sites:
        if time.monotonic() > end:
            raise ClientError(f"federation: {sites} sites were to come within {seconds:g} s, received {len(found)}")
        time.sleep(0.5)
    return found
