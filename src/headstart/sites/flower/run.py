"""One run on a link that is up: waits for the sites, then a study or a probe, in the operator's own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from headstart.core.cache import cache_folder
from headstart.core.progress import Progress
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.keys import read_signer
from headstart.sites.flower.missing import wait_for
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.processes import unwinding
from headstart.sites.flower.programs import Link
from headstart.sites.probe.server import run_probe
from headstart.sites.secure.means import check_method
from headstart.sites.server import Server, open_server
from headstart.sites.settings import Protection, RunSettings
from headstart.sites.signed import Orders
from headstart.sites.work import AtSites
from headstart.study.study import Study
from headstart.study.written.load import StudyFile


@contextmanager
def study_on(link: Link, file: StudyFile, said: RunSettings, progress: Progress) -> Iterator[Study]:
    """Open a study whose clients are the sites of a link.

    The run ends with the block; if this program is killed outright, the link's heart beat ends it.

    Raises:
        HeadstartError: too few sites come, or they cannot come together.
    """
    with _server_on(link, file, said, progress) as server:
        for stage in [one for arm in file.arms for one in arm.federate] if said.secure else ():
            check_method(stage.build(), stage.method)
        yield Study.open(file, lab=server.lab, work=AtSites(server))


def probe_on(link: Link, file: StudyFile, said: RunSettings, progress: Progress) -> dict[str, Any]:
    """Ask the sites of a link a probe's question, and return the answer.

    Raises:
        HeadstartError: it came to nothing.
    """
    with _server_on(link, file, said, progress) as server:
        return run_probe(server)


@contextmanager
def _server_on(link: Link, file: StudyFile, said: RunSettings, progress: Progress) -> Iterator[Server]:
    # What is said of every stage alike is said once.
    tell = cache(progress.warn)
    for line in link.check_keys("ca.crt", "server.pem"):
        tell(line)
    operator = Operator.of(link)
    # Read here and nowhere else: neither the link nor a site ever holds it.
    orders = Orders(read_signer(link.keys / "signer.pem"), link.sites())
    with unwinding(), operator.run(tell, file.settings.name, said.what) as mail:
        names = operator.names()
        wait_for(mail, names, len(names) if said.sites is None else said.sites, said.wait, tell)
        ask = GridAsk(mail, orders, names, timeout=said.timeout, enough=said.enough)
        addresses = [address for address in mail.addresses if address in ask.names]
        asks = Protection(secure=said.secure, noise=said.noise, bound=said.bound)
        yield open_server(file, ask, addresses, out=Path(said.out), tell=tell, asks=asks, cache=cache_folder())
