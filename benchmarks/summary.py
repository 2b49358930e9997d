"""What a run of the benchmark says: the results, the ratios, the bounds, for the terminal and for the page."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bounds import bound, extraction_cost, round_cost
from speeds import Speeds
from table import Row, best, markdown, number, ratios, results_table
from works import EVERY_WORK, TITLES


@dataclass(frozen=True)
class Pass:
    """One plain forward pass over the frozen work's images, batch size chosen for speed."""

    runtime: str
    seconds: float
    batch: int


@dataclass(frozen=True)
class Summary:
    """Everything that one run measured.

    Attributes:
        rows: merged over repeats.
        speeds: of this machine.
        passes: plain forward passes; empty when the works on a frozen network were not run.
    """

    rows: Sequence[Row]
    speeds: Speeds
    passes: Sequence[Pass]

    def text(self) -> str:
        """Return what the terminal shows."""
        return "\n\n".join(["", *self._parts()])

    def page(self, command: str) -> str:
        """Return what the documentation shows."""
        works = [f"- `{work}`: {TITLES[work]}" for work in dict.fromkeys(row.work for row in self.rows)]
        return "\n\n".join([f"Measured on {machine(self.speeds)}, by `{command}`.", "\n".join(works), *self._parts()])

    def _parts(self) -> Iterator[str]:
        yield results_table(self.rows)
        if any(row.extrapolated for row in self.rows):
            yield "\\* worked out from runs of one and of two rounds (or epochs)."
        if ratios(self.rows):
            yield self.ratio_table()
        yield self.bound_table()
        if self.passes:
            yield self.pass_lines()

    def ratio_table(self) -> str:
        """Return how many times as long as Headstart the best peer takes."""
        header = ["work", "best peer", "× Headstart, all training", "× Headstart, median round"]
        return markdown(
            header, ([one.work, one.peer, number(one.by_total), number(one.by_round)] for one in ratios(self.rows))
        )

    def bound_table(self) -> str:
        """Return what each work takes at least on this machine, and how near Headstart comes."""
        header = ["work", "GFLOP", "MB", "bound, s", "all training, s", "share", "median round: bound, s", "share"]
        ours = (best(self.rows, name, ours=True) for name in EVERY_WORK)
        return markdown(header, (self._bound_cells(row) for row in ours if row))

    def _bound_cells(self, row: Row) -> list[str]:
        work = EVERY_WORK[row.work]
        least, a_round, extraction = bound(work, self.speeds), round_cost(work), extraction_cost(work)
        flop = extraction.flop + work.rounds * a_round.flop
        moved = extraction.bytes + work.rounds * a_round.bytes
        share, of_round = least.total / row.total_seconds, least.a_round / row.seconds_per_round
        cells = [number(flop / 1e9), number(moved / 1e6), number(least.total), number(row.total_seconds)]
        return [row.work, *cells, f"{share:.0%}", number(least.a_round), f"{of_round:.0%}"]

    def pass_lines(self) -> str:
        """Return the plain forward passes, and how Headstart's two arms together compare with the fastest."""
        told = [f"{one.runtime} {number(one.seconds)} s (batch {one.batch})" for one in self.passes]
        line = f"One plain forward pass over the images of `w3`: {', '.join(told)}."
        ours = best(self.rows, "w3", ours=True)
        if ours is None:
            return line
        fastest = min(self.passes, key=lambda one: one.seconds)
        times = ours.total_seconds / fastest.seconds
        return f"{line} Both arms of `w3` together take {number(times)} × the fastest pass ({fastest.runtime})."


def machine(speeds: Speeds) -> str:
    """Say what was measured on."""
    return (
        f"{processor()}, {speeds.cores} cores (matrix product {speeds.gemm_one:.0f} GFLOP/s on one, {speeds.gemm:.0f} "
        f"on all; copy {speeds.copy:.0f} GB/s), {_memory()} memory, Python {platform.python_version()}, PyTorch "
        f"{torch.__version__}"
    )


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
