"""All pairs of arms in one table: which is better, which are as good, what is open."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from headstart.report.asked import halves
from headstart.report.run import Run
from headstart.report.summary import ArmRow
from headstart.report.units import MINUS, Metric

_State = Literal["better", "as good", "open", "worse", "no claim"]
SIGNS: dict[_State, str] = {"better": "▲", "as good": "≈", "open": "?", "worse": "▼", "no claim": "·"}


@dataclass(frozen=True)
class _Cell:
    """The arm of the line against that of the column; ``state`` is None against itself."""

    state: _State | None
    title: str = ""

    @property
    def sign(self) -> str:
        """Its symbol."""
        return SIGNS[self.state] if self.state else ""

    @property
    def kind(self) -> str:
        """Its class in the style."""
        return (self.state or "self").replace(" ", "-")


def pair_lines(run: Run, rows: tuple[ArmRow, ...]) -> tuple[tuple[str, tuple[_Cell, ...]], ...]:
    """Every arm with its cells, in the order of the arms' table; nothing without pairs, or of fewer than two arms."""
    pairs = run.verdict.get("pairs") or {}
    arms = [str(arm) for arm in pairs.get("arms") or ()]
    order = [row.name for row in rows if row.name in arms]
    if len(order) < 2:
        return ()
    half = [both[1] if both else None for both in halves(pairs, float(run.verdict["confidence"]))]
    found = dict(_cells(run, arms, list(zip(pairs["gap"], half, strict=True))))
    return tuple((arm, tuple(found.get((arm, other), _Cell(None)) for other in order)) for arm in order)


def _cells(
    run: Run, arms: list[str], values: list[tuple[float | None, float | None]]
) -> Iterator[tuple[tuple[str, str], _Cell]]:
    metric, least = Metric(run.measure), float(run.verdict["min_effect"])
    for (one, other), (gap, half) in zip(itertools.combinations(arms, 2), values, strict=True):
        yield (one, other), _cell(gap, half, metric, least)
        yield (other, one), _cell(None if gap is None else -gap, half, metric, least)


def _cell(gap: float | None, half: float | None, metric: Metric, least: float) -> _Cell:
    if gap is None:
        return _Cell("no claim", "not compared")
    if half is None:
        return _Cell("no claim", f"{metric.change(gap)}, no interval")
    return _Cell(_state(gap - half, gap + half, least), f"{metric.change(gap)} ({_between(gap, half, metric)})")


def _state(low: float, high: float, least: float) -> _State:
    if low > 0 or high < 0:
        return "better" if low > 0 else "worse"
    return "as good" if -least <= low and high <= least else "open"


def _between(gap: float, half: float, metric: Metric) -> str:
    low, high = (metric.measure.number(end).replace("-", MINUS) for end in (gap - half, gap + half))
    return f"{low} to {high}"
