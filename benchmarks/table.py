"""Rows of results: merged over repeats, added up over arms, compared, and written as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from works import PAIRS

OURS = "headstart"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
"""Where measured tables stand."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system in one setting on one work.

    Attributes:
        work: its name.
        system: ``headstart``, or a peer's name.
        setting: the engine, or the peer's options.
        seconds_per_round: of the median round.
        total_seconds: of all training, the first round and any tracing or calibration included.
        cpu_seconds: of the whole process tree while training; None where it was not measured.
        peak_mb: resident memory of the whole process tree, from its start to its end, MiB.
        maxdiff: largest difference of the final weights from the plain loop's; None without a reference.
        extraction_seconds: the part of ``total_seconds`` that two arms on one frozen network share.
        extraction_cpu_seconds: that part of ``cpu_seconds``.
        extrapolated: whether the times are worked out from two short runs.
        repeats: runs whose median this is.
        version: of the system.
    """

    work: str
    system: str
    setting: str
    seconds_per_round: float
    total_seconds: float
    cpu_seconds: float | None
    peak_mb: float
    maxdiff: float | None
    extraction_seconds: float = 0.0
    extraction_cpu_seconds: float = 0.0
    extrapolated: bool = False
    repeats: int = 1
    version: str = ""


@dataclass(frozen=True)
class Ratio:
    """How many times as long the best peer takes."""

    work: str
    peer: str
    by_total: float
    by_round: float


def merge(rows: Iterable[Row]) -> list[Row]:
    """Put repeats of the same work, system and setting into one row: median times, largest memory and difference."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.work, row.system, row.setting), []).append(row)
    return [_merged(group) for group in groups.values()]


def _merged(group: Sequence[Row]) -> Row:
    times = [name for name in Row.__dataclass_fields__ if "seconds" in name]
    middle: dict[str, Any] = {key: _over(statistics.median, [getattr(row, key) for row in group]) for key in times}
    largest: dict[str, Any] = {key: _over(max, [getattr(row, key) for row in group]) for key in ("peak_mb", "maxdiff")}
    return replace(group[0], **middle, **largest, repeats=len(group))


def _over(function: Any, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(function(known)) if known else None


def with_pairs(rows: Sequence[Row]) -> list[Row]:
    """Add a row for two arms of one study, in the same system and setting; what they share is counted once."""
    found = {(row.work, row.system, row.setting): row for row in rows}
    pairs = [
        _sum(work, left, right)
        for work, (first, second) in PAIRS.items()
        for (name, system, setting), left in found.items()
        if name == first and (right := found.get((second, system, setting)))
    ]
    return [*rows, *pairs]


def _sum(work: str, left: Row, right: Row) -> Row:
    """Add two arms up. Each was charged with the extraction; in one study it is done once."""
    shared = min(left.extraction_seconds, right.extraction_seconds)
    cpu = None if left.cpu_seconds is None or right.cpu_seconds is None else left.cpu_seconds + right.cpu_seconds
    return replace(
        left,
        work=work,
        total_seconds=left.total_seconds + right.total_seconds - shared,
        cpu_seconds=cpu and cpu - min(left.extraction_cpu_seconds, right.extraction_cpu_seconds),
        peak_mb=max(left.peak_mb, right.peak_mb),
        maxdiff=_over(max, [left.maxdiff, right.maxdiff]),
        extrapolated=left.extrapolated or right.extrapolated,
    )


def best(rows: Iterable[Row], work: str, *, ours: bool) -> Row | None:
    """Return the row with the least total on a work, of Headstart or of all its peers."""
    found = [row for row in rows if row.work == work and (row.system == OURS) == ours]
    return min(found, key=lambda row: row.total_seconds, default=None)


def ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Compare Headstart's best setting with the best peer in its best setting, by total and by median round."""
    return [ratio for work in dict.fromkeys(row.work for row in rows) if (ratio := _ratio(rows, work))]


def _ratio(rows: Sequence[Row], work: str) -> Ratio | None:
    ours, theirs = best(rows, work, ours=True), best(rows, work, ours=False)
    if ours is None or theirs is None:
        return None
    # The peer with the fastest round may be another one than that with the least total.
    a_round = min(row.seconds_per_round for row in rows if row.work == work and row.system != OURS)
    return Ratio(work, theirs.system, theirs.total_seconds / ours.total_seconds, a_round / ours.seconds_per_round)


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, numbers flush right but for the first column.

    >>> print(markdown(["a", "b"], [["x", "1"]]))
    | a | b |
    |---|--:|
    | x | 1 |
    """
    rule = "|---|" + "--:|" * (len(header) - 1)
    return "\n".join([f"| {' | '.join(header)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])


def results_table(rows: Sequence[Row]) -> str:
    """Return one table of all works, each work's fastest system first."""
    header = ["work", "system", "setting", "training, s", "median round, s", "CPU, s", "peak, MB", "largest difference"]
    order = {work: index for index, work in enumerate(dict.fromkeys(row.work for row in rows))}
    ordered = sorted(rows, key=lambda row: (order[row.work], row.total_seconds))
    return markdown(header, (_cells(row) for row in ordered))


def _cells(row: Row) -> list[str]:
    total = f"{number(row.total_seconds)}{' *' if row.extrapolated else ''}"
    system = f"**{row.system}**" if row.system == OURS else f"{row.system} {row.version}".strip()
    difference = "–" if row.maxdiff is None else f"{row.maxdiff:.0e}"
    times = [total, number(row.seconds_per_round), number(row.cpu_seconds)]
    return [row.work, system, row.setting, *times, f"{row.peak_mb:,.0f}", difference]


def number(value: float | None) -> str:
    """Write three significant digits.

    >>> number(0.012345), number(123.4), number(1234.5), number(None)
    ('0.0123', '123', '1,234', '–')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def as_json(rows: Iterable[Row]) -> list[Mapping[str, Any]]:
    """Return rows as JSON can say them."""
    return [asdict(row) for row in rows]


def write_between(page: Path, part: str, text: str) -> None:
    """Replace what a page has between the marks of one part.

    Raises:
        ValueError: the page lacks the marks.
    """
    first, last = f"<!-- begin {part} -->", f"<!-- end {part} -->"
    before, begin, rest = page.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{page}: needs the lines '{first}' and '{last}'")
    page.write_text(f"{before}{first}\n\n{text.strip()}\n\n{last}{after}")
