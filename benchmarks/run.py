"""Run the four works in Headstart, beside whichever peers are installed, and compare.

python benchmarks/run.py [--peers DIR] [--works w1 w4 …] [--systems headstart naive …] [--json FILE] [--docs]

Every run is a fresh process whose memory is watched over its whole process tree; systems take turns, work by work and
repeat by repeat. Without ``--peers`` Headstart runs alone, on data of the same shapes from a seed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import peers
import processes
import summary
from sources import Peers
from table import OURS, PAGE, Row, as_json, merge, with_pairs, write_between
from works import EVERY_WORK, PAIRS, TITLES, WORKS, Work, groups

ENGINES = ("serial", "fleet")
NO_PEERS = (
    "no --peers DIR: Headstart runs alone, on seeded data of the same shapes; peers, reference weights and differences "
    "need the folder"
)


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        works: their names.
        systems: ``headstart`` and peers.
        bench: the peers' script; None to run Headstart alone.
        repeats: of everything.
        device: where Headstart runs; peers know the processor alone.
    """

    works: Sequence[str]
    systems: Sequence[str]
    bench: peers.Bench | None
    repeats: int
    device: str = "cpu"

    def rows(self) -> Iterator[Row]:
        """Run everything, and yield a row per run as it comes in."""
        self._make_references()
        for _ in range(self.repeats):
            for group in groups(self.works):
                for system in self.systems:
                    yield from self._ours(group) if system == OURS else self._theirs(system, group)

    def _ours(self, group: Sequence[str]) -> Iterator[Row]:
        folder = self.bench.folder if self.bench else None
        for engine in ENGINES:
            yield from _told(processes.headstart(group, engine, folder, self.device))

    def _theirs(self, peer: str, group: Sequence[str]) -> Iterator[Row]:
        assert self.bench is not None
        for setting in peers.PEERS[peer].settings:
            found = (self.bench.row(peer, setting, WORKS[name]) for name in group)
            yield from _told(row for row in found if row)

    def _make_references(self) -> None:
        """Let the plain loop write the final weights that others are compared with, where it has not yet."""
        if self.bench is None or "naive" not in peers.installed():
            return
        source = Peers(self.bench.folder)
        for work in map(_with_reference, self.works):
            if not source.has_reference(work):
                self.bench.row("naive", peers.PEERS["naive"].settings[0], work, save=True)


def _with_reference(name: str) -> Work:
    """Return the work whose plain loop writes this one's reference: that on cached features, for a frozen network."""
    return WORKS[f"{name}c"] if WORKS[name].network == "frozen" else WORKS[name]


def _told(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        told = f"{row.work:5} {row.system} {row.setting}: {row.total_seconds:.4g} s, {row.peak_mb:.0f} MB"
        print(told, file=sys.stderr, flush=True)
        yield row


def plan(chosen: argparse.Namespace) -> Plan:
    """Turn arguments into a plan.

    Raises:
        SystemExit: a peer is asked for that is not installed, or without a folder, or a work that no peer has.
    """
    if chosen.peers and (own := [name for name in chosen.works if name not in WORKS]):
        raise SystemExit(f"--works: peers run {', '.join(WORKS)}, received {', '.join(own)}; leave --peers out for it")
    found = peers.installed() if chosen.peers else []
    systems = chosen.systems or [OURS, *found]
    if missing := [system for system in systems if system != OURS and system not in found]:
        raise SystemExit(
            f"--systems: takes 'headstart' and installed peers ({', '.join(found) or 'none: give --peers DIR'}), "
            f"received {', '.join(missing)}; install them with DIR/install.sh, and set {peers.HOME} to where they lie"
        )
    bench = peers.Bench(chosen.peers.resolve(), chosen.timeout, chosen.full) if chosen.peers else None
    return Plan(chosen.works, systems, bench, chosen.repeats, chosen.device)


def forward_rows(chosen: argparse.Namespace) -> list[summary.Pass]:
    """Time one plain forward pass over the frozen work's images, by every runtime that is here."""
    if not set(PAIRS["w3"]) & set(chosen.works):
        return []
    here = ["torch", *(["onnxruntime"] if importlib.util.find_spec("onnxruntime") else [])]
    return [processes.forward(runtime, chosen.peers) for runtime in here]


def command(chosen: argparse.Namespace) -> str:
    """Return the command that measures the same elsewhere: without the paths of this machine."""
    words = ["python benchmarks/run.py", *(["--peers DIR"] if chosen.peers else []), "--works", *chosen.works]
    words += ["--systems", *chosen.systems] if chosen.systems else []
    words += ["--device", chosen.device] if chosen.device != "cpu" else []
    words += ["--repeats", str(chosen.repeats)] if chosen.repeats > 1 else []
    return " ".join([*words, *(["--full"] if chosen.full else [])])


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--peers", type=Path, metavar="DIR", help="folder with the peers' bench.py and common.py")
    made.add_argument("--works", nargs="+", choices=EVERY_WORK, default=list(WORKS), help="which works (all but g1)")
    made.add_argument("--device", default="cpu", help="where Headstart runs, such as cuda (cpu)")
    made.add_argument("--systems", nargs="+", help="headstart and peers (all that are installed)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the rows here")
    made.add_argument("--repeats", type=int, default=1, help="runs of everything; medians are reported (1)")
    made.add_argument("--timeout", type=float, default=900.0, help="seconds after which a peer's run is given up (900)")
    made.add_argument("--full", action="store_true", help="run peers on w3a and w3b to the end, not 1 and 2 rounds")
    made.add_argument("--docs", action="store_true", help=f"rewrite the table in docs/{PAGE.name}")
    return made


def main() -> None:
    """Run the plan, print the comparison, write what was asked for."""
    chosen = parser().parse_args()
    if chosen.peers is None:
        print(NO_PEERS, file=sys.stderr)
    todo, speeds = plan(chosen), processes.speeds()
    runs = list(todo.rows())
    passes = forward_rows(chosen)
    rows = with_pairs(merge(runs))
    rows.sort(key=lambda row: list(TITLES).index(row.work))
    report = summary.Summary(rows, speeds, passes)
    print(report.text())
    if chosen.json:
        chosen.json.write_text(json.dumps(as_json(rows), indent=1) + "\n")
    if chosen.docs:
        write_between(PAGE, "works", report.page(command(chosen)))


if __name__ == "__main__":
    main()
