"""Seconds a round of a real federation on this machine, and where they go.

python benchmarks/rounds.py [--sites 4 16] [--rounds 10] [--arm fedavg | ridge] [--width 32]

Handwritten digits (scikit-learn's), dealt to so many sites; a small network, FedAvg with one local epoch. Every site is
a process of its own, the link another, with certificates and a database, as ``headstart federate run --local`` starts
them. ``--width`` is that of a hidden layer above the pixels: 57,000 make an update of 17 MB. ``ridge`` sends sums in
one round, of 17 MB a site with ``--width 2048``.

A table's row says: seconds a round (median, and the slowest); of these how long the server put requests down, waited
for answers, and did its own work (checks, mean, files); how long a site was busy with a request (fetching it included),
mean over sites; processor seconds a round of link, sites together and server; how often the server asked what came.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flwr.app import Message
from PIL import Image
from sklearn.datasets import load_digits

from headstart.core.files import read_json_lines
from headstart.data import open_federation
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.keys import read_signer
from headstart.sites.flower.local import running, write_site_files
from headstart.sites.flower.mailbox import Arrived, Mail
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.programs import Link
from headstart.sites.server import open_server
from headstart.sites.signed import Orders
from headstart.sites.transport import Answer, Failed, Request
from headstart.sites.work import AtSites
from headstart.study.study import Study
from headstart.study.written.load import StudyFile, load_study

STUDY = """
name  = "rounds"
seeds = [0]
[data]
source = "{folder}/all.parquet"
client = "site"
[model]
backbone = "{backbone}"
{width}
[training]
batch_size = 16
client_lr  = 0.02
[engine]
name = "serial"
[arms.fedavg]
start    = "random"
federate = {{ method = "fedavg", rounds = {rounds}, local_epochs = 1 }}
[arms.ridge]
start    = "random"
federate = "ridge"
[tuning]
trials = 1
[decision]
baseline = "fedavg"
"""

_BUSY = re.compile(r"answered '(?:update|sums)' in ([\d.]+) s")


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((pixels * 15).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_study(folder: Path, sites: int, rounds: int, width: int) -> StudyFile:
    """Write digits of so many clients, and the study."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = [{"bytes": _png(digits.images[row]), "path": f"{row}.png"} for row in order]
    owner = [f"site-{number % sites:02d}" for number in range(len(order))]
    pq.write_table(pa.table({"image": images, "label": digits.target[order], "site": owner}), folder / "all.parquet")
    network = ("mlp", f"hidden = [{width}]") if width else ("small-cnn", "")
    text = STUDY.format(folder=folder, rounds=rounds, backbone=network[0], width=network[1])
    (folder / "study.toml").write_text(text)
    return load_study(folder / "study.toml")


@dataclass(eq=False)
class _Watched:
    """The mail of a run, whose calls are timed."""

    mail: Mail
    pushing: float = 0.0
    asked: int = 0

    def push_messages(self, messages: Iterable[Message]) -> Sequence[str]:
        """Send."""
        begin = time.perf_counter()
        sent = list(self.mail.push_messages(messages))
        self.pushing += time.perf_counter() - begin
        return sent

    def since(self) -> Mapping[int, str]:
        """Say who is there."""
        return self.mail.since()

    def arrived(self, names: Sequence[str]) -> Sequence[Arrived]:
        """Say what came."""
        self.asked += 1
        return self.mail.arrived(names)


@dataclass(frozen=True)
class _Round:
    """One request to all sites: when it began and ended, and how long it was put down."""

    begin: float
    end: float
    pushing: float


@dataclass(eq=False)
class _Clocked:
    """A transport, whose requests of one kind are timed."""

    ask: GridAsk
    mail: _Watched
    rounds: list[_Round] = field(default_factory=list)
    cpu: list[Mapping[str, float]] = field(default_factory=list)

    def __call__(self, requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        """Ask."""
        is_round = any(one.kind == "update" for one in requests)
        if is_round:
            self.cpu.append(_spent())
        begin, pushed = time.perf_counter(), self.mail.pushing
        found = list(self.ask(requests))
        if is_round:
            self.rounds.append(_Round(begin, time.perf_counter(), self.mail.pushing - pushed))
        return iter(found)


def _children() -> Iterator[int]:
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def _spent() -> Mapping[str, float]:
    """Return processor seconds so far of link, sites together and this program."""
    found = {"link": 0.0, "sites": 0.0, "server": time.process_time()}
    for child in _children():
        command = Path(f"/proc/{child}/cmdline").read_text()
        times = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]
        found["link" if "flower.link" in command else "sites"] += sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return found


def _busy(folder: Path, last: int) -> float:
    """Return mean seconds that a site was busy with a round, by its own log."""
    logs = [_BUSY.findall(path.read_text()) for path in folder.glob("site-*.log")]
    return statistics.mean(float(one) for log in logs for one in log[-last:])


def _run(link: Link, file: StudyFile, folder: Path, arm: str, sites: int) -> _Clocked:
    operator = Operator.of(link)
    orders = Orders(read_signer(link.keys / "signer.pem"), link.sites())
    with operator.run() as box:
        while len(box.addresses) < sites:
            time.sleep(0.2)
        mail = _Watched(box)
        ask = _Clocked(GridAsk(mail, orders, operator.names()), mail)
        server = open_server(file, ask, box.addresses, out=folder / "out")
        study = Study.open(file, lab=server.lab, work=AtSites(server))
        study.run(folder / "out", arms=[arm])
    (found,) = read_json_lines(folder / "out" / "records.jsonl")
    assert not found["excluded"], found["excluded"]
    return ask


def measure(sites: int, rounds: int, arm: str, width: int) -> str:
    """Return a row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = write_study(folder, sites, rounds, width)
        data = write_site_files(open_federation(file.data, folder), file.data, folder / "data", sites)
        with running(data, folder, file) as link:
            ask = _run(link, file, folder, arm, sites)
        busy = _busy(folder, len(ask.rounds))
    return _row(sites, ask, busy)


def _row(sites: int, ask: _Clocked, busy: float) -> str:
    # The first round opens data and draws the first batches; it counts where it is the only one.
    rounds = ask.rounds[1:] or ask.rounds
    whole = [after.begin - before.begin for before, after in pairwise(rounds)]
    whole = whole or [rounds[0].end - rounds[0].begin]
    pushing = statistics.median(one.pushing for one in rounds)
    waiting = statistics.median(one.end - one.begin - one.pushing for one in rounds)
    own = statistics.median(whole) - pushing - waiting
    first, last = ask.cpu[min(1, len(ask.cpu) - 1)], ask.cpu[-1]
    cpu = [(last[name] - first[name]) / max(1, len(ask.cpu) - 2) for name in ("link", "sites", "server")]
    numbers = [statistics.median(whole), max(whole), pushing, waiting, own, busy, *cpu]
    return " | ".join([f"| {sites}", *(f"{number:.2f}" for number in numbers)]) + f" | {ask.mail.asked} |"


HEAD = (
    "| sites | a round, s | slowest | putting down | waiting | own | site busy | CPU: link | sites | server | asked |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--arm", default="fedavg", choices=["fedavg", "ridge"])
    parser.add_argument("--width", type=int, default=0, help="of a hidden layer above the pixels; 0: small-cnn")
    args = parser.parse_args()
    print(HEAD, flush=True)
    for sites in args.sites:
        print(measure(sites, args.rounds, args.arm, args.width), flush=True)


if __name__ == "__main__":
    main()
