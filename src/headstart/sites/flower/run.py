"""One run on a link that is up: waits for the sites, then runs an arm or a probe, in the operator's own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from headstart.core.errors import SettingError, nearest
from headstart.core.files import write_json
from headstart.sites.arms import arm_lines, run_arm
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.keys import read_signer
from headstart.sites.flower.mailbox import Mailbox
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.processes import unwinding
from headstart.sites.flower.programs import Link
from headstart.sites.flower.waiting import wait_for
from headstart.sites.probe.server import run_probe
from headstart.sites.server import Server, open_server
from headstart.sites.settings import Protection, RunSettings
from headstart.sites.signed import Orders
from headstart.sites.verdict import tell_answer
from headstart.study.written.arms import Arm
from headstart.study.written.load import load_study

Tell = Callable[[str], None]

LAST = "last.json"
"""What the last run came to."""


def run_on(link: Link, said: RunSettings, tell: Tell = print) -> dict[str, Any]:
    """Run an arm, or the probe, on a link that is up on this machine; return what it came to.

    The run ends with this program; if that is killed outright, the link's heart beat ends it.

    Raises:
        HeadstartError: it came to nothing.
    """
    for line in link.check_keys("ca.crt", "server.pem"):
        tell(line)
    operator = Operator.of(link)
    # Read here and nowhere else: neither the link nor a site ever holds it.
    orders = Orders(read_signer(link.keys / "signer.pem"), link.sites())
    with unwinding(), operator.run(load_study(Path(said.study)).settings.name, said.arm) as mail:
        names = operator.names()
        wait_for(mail, names, said.sites, said.wait, tell)
        ask = GridAsk(mail, orders, names, timeout=said.timeout, enough=said.enough)
        found = _run(ask, mail, said, tell)
    write_json(Path(said.out) / LAST, found)
    return found


def _run(ask: GridAsk, mail: Mailbox, said: RunSettings, tell: Tell) -> dict[str, Any]:
    file = load_study(Path(said.study))
    addresses = [address for address in mail.addresses if address in ask.names]
    asks = Protection(secure=said.secure, noise=said.noise, bound=said.bound)
    server = open_server(file, ask, addresses, out=Path(said.out), seed=said.seed, tell=tell, asks=asks)
    if said.arm == "probe":
        return run_probe(server, secure=said.secure, noise=said.noise, bound=said.bound)
    return _run_arm(server, _chosen(file.arms, said.arm))


def _run_arm(server: Server, arm: Arm) -> dict[str, Any]:
    found = run_arm(server, arm)
    for line in arm_lines(found, server.file.settings.decision.metric):
        server.tell(line)
    tell_answer(server)
    return found


def _chosen(arms: tuple[Arm, ...], name: str) -> Arm:
    """Return the arm of this name."""
    known = {arm.name: arm for arm in arms}
    if name not in known:
        raise SettingError(f"--arm: must be written in the study file, received {name!r}; {nearest(name, known)}")
    return known[name]
