"""What a site says is held against what is known: what it said before, what was asked, what can be true at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, get_args

import numpy as np

from headstart.core.arrays import Array
from headstart.data.features import made_of
from headstart.data.federation import Split
from headstart.data.standardize import ColumnSums
from headstart.evidence.metrics import range_of
from headstart.evidence.tally import ClientTally, Tally
from headstart.sites.said import Agreed, Compared, Evaluated, Present
from headstart.sites.settings import MOST_TIMES, allows
from headstart.sites.transport import Answer, Failed

A = TypeVar("A")

_LARGEST = 3.5e38
"""Of a table's numbers, which are of single precision."""

_OTHER_SCALE = 10_000.0
"""Times by which no column differs between sites that hold the same in one unit."""
Sizes = Mapping[Split, int]


def believed(came: Sequence[Answer[A] | Failed], doubt: Callable[[Answer[A]], str]) -> list[Answer[A] | Failed]:
    """Return what came, an answer in which ``doubt`` finds something as a failure of its site."""
    return [_doubted(one, doubt) for one in came]


def _doubted(one: Answer[A] | Failed, doubt: Callable[[Answer[A]], str]) -> Answer[A] | Failed:
    reason = "" if isinstance(one, Failed) else doubt(one)
    return Failed(one.site, f"its answer: {reason}") if reason else one


def doubt_presence(said: Present) -> str:
    """Say why a site cannot be as it says; empty if it can."""
    if (said.kind == "image") != bool(said.shape):
        return f"field 'shape' must say a picture's size, and that alone, received {said.shape} of kind '{said.kind}'"
    twice = [name for names in (said.classes, said.columns) for name in names if names.count(name) > 1][:1]
    if twice:
        return f"fields 'classes' and 'columns' must name each once, received '{twice[0]}' twice"
    if strange := [name for name in said.missing if not made_of(name, said.columns)]:
        return f"field 'missing' must name columns that it has, received '{strange[0]}'"
    if said.range and not said.range[0] < said.range[1]:
        return f"field 'range' must ascend, received {said.range}"
    return _doubt_sizes(said.sizes, said)


def _doubt_sizes(sizes: Sizes, at: Present) -> str:
    if len(sizes) not in (0, len(get_args(Split))) or (sizes and not allows(at.policy, "counts")):
        return f"field 'sizes' must say all splits, or none, as where policy '{at.policy}' lets no counts leave"
    return ""


def doubt_agreed(said: Agreed, at: Present, columns: int) -> str:
    """Say why a site cannot have what it says, after what it said first, of so many agreed columns."""
    first, now = sum(at.sizes.values()), sum(said.sizes.values())
    if reason := _doubt_sizes(said.sizes, at):
        return reason
    if bool(said.sizes) != bool(at.sizes) or now > first:
        return f"field 'sizes' must be at most the {first:,} examples that it said it has, received {now:,}"
    if said.sums is None:
        return ""
    if not at.sends:
        return f"field 'sums' must be empty, as policy '{at.policy}' lets none leave"
    return _doubt_sums(said.sums, columns, now - said.sizes["test"])


def _doubt_sums(sums: ColumnSums, columns: int, rows: int) -> str:
    """Say why no such number of rows can have these sums."""
    if not len(sums.counts) == len(sums.totals) == len(sums.squares) == columns:
        return f"field 'sums' must be of {columns} columns, received {len(sums.counts)}"
    if sums.rows != rows:
        return f"field 'sums.rows' must be the {rows:,} examples outside test, received {sums.rows:,}"
    counts, totals, squares = (np.array(part, np.float64) for part in (sums.counts, sums.totals, sums.squares))
    if (counts > rows).any() or (squares < 0).any() or totals[counts == 0].any():
        return "field 'sums' must have no more values than rows, squares of at least 0, and no total without values"
    if (np.abs(totals) > rows * _LARGEST).any() or (squares > rows * _LARGEST**2).any():
        return f"field 'sums' must be of numbers up to {_LARGEST:.1e}"
    # One value, or none, has no distance from its mean, up to rounding.
    alone = squares[counts < 2] > 1e-9 * (1 + totals[counts < 2] ** 2)
    return "field 'sums' must leave a single value no distance from its mean" if alone.any() else ""


def doubt_scales(sums: Mapping[int, ColumnSums], columns: Sequence[str]) -> dict[int, str]:
    """Say which sites, of three or more, hold a column in quite another scale: all would be scaled by it.

    Args:
        sums: by site.
        columns: names of the sums' columns.
    """
    if len(sums) < 3:
        return {}
    sizes = np.array([_sizes_of(each) for each in sums.values()])
    usual = np.array([np.median(column[column > 0]) if (column > 0).any() else 0 for column in sizes.T])
    far = (sizes > _OTHER_SCALE * usual) & (usual > 0)
    return {
        site: f"its answer: '{columns[int(row.argmax())]}' is over {_OTHER_SCALE:,.0f} times as large as at other sites"
        for site, row in zip(sums, far, strict=True)
        if row.any()
    }


def _sizes_of(sums: ColumnSums) -> Array:
    """Return how large each column's numbers are: the root of their mean square; 0 without any."""
    counts, totals, squares = (np.array(part, np.float64) for part in (sums.counts, sums.totals, sums.squares))
    some = np.maximum(counts, 1)
    found: Array = np.hypot(np.sqrt(squares / some), totals / some)
    return found


def doubt_evaluation(said: Evaluated, at: Present, classes: int) -> str:
    """Say why a site cannot have come to what it says."""
    if said.accepted is not None and not allows(at.policy, "metrics"):
        return f"field 'accepted' must be empty, as policy '{at.policy}' lets no scores leave"
    if any(one["client"] != at.client for one in said.excluded):
        return f"field 'excluded' must be of '{at.client}' itself"
    for view, found in said.metrics.items():
        count = found.get("num_examples", (0.0,))[0]
        if count != at.sizes.get("val" if view == "val" else "test", 0):
            return f"field 'metrics.{view}.num_examples' must be the number that it said it has, received {count}"
    return _doubt_tally(said.learnt, at.sizes, classes) if said.learnt else ""


def _doubt_tally(said: ClientTally, sizes: Sizes, classes: int) -> str:
    """Say why no examples can be counted so."""
    train, val = sizes.get("train", 0), sizes.get("val", 0)
    parts = [("train", said.train, train), ("val", said.val, val), ("began", said.began, train)]
    reasons = [_doubt_part(name, part, most, classes) for name, part, most in parts if part]
    if reason := next(filter(None, reasons), ""):
        return reason
    if said.began and said.began.counts != said.train.counts:
        return "field 'learnt.began' must be of the examples of 'learnt.train'"
    if said.mixed_rows > train + val or said.changed > sum(said.train.counts):
        return f"field 'learnt' must count no more than its {train + val:,} examples"
    return ""


def _doubt_part(name: str, said: Tally, most: int, classes: int) -> str:
    where, rows = f"field 'learnt.{name}'", sum(said.counts)
    if not len(said.counts) == len(said.right) == classes:
        return f"{where} must be of {classes} classes, received {len(said.counts)}"
    if rows > most:
        return f"{where} must count at most {most:,} examples, received {rows:,}"
    if said.finite > rows or any(right > count for right, count in zip(said.right, said.counts, strict=True)):
        return f"{where} must have no more right or finite than examples"
    if not 0 <= said.loss <= range_of("log_loss")[1] * rows:
        return f"{where} must have a loss that {rows:,} examples can have, received {said.loss:g}"
    return ""


def doubt_comparison(said: Compared, at: Present) -> str:
    """Say why a site cannot have compared heads so."""
    if said.examples != at.sizes.get("val", 0) or bool(said.examples) != bool(said.scores):
        return f"field 'examples' must be its {at.sizes.get('val', 0):,} for validation, received {said.examples:,}"
    return ""


def plausible(sizes: Mapping[int, int]) -> dict[int, int]:
    """Return how many training examples each site's weight in means rests on.

    Of three sites or more, one that claims over ``MOST_TIMES`` times as many as all others together is not believed:
    it weighs as much as the median of them.

    >>> plausible({1: 60, 2: 1_000_000, 3: 80})
    {1: 60, 2: 70, 3: 80}
    """
    if len(sizes) < 3:
        return dict(sizes)
    largest = max(sizes, key=lambda site: sizes[site])
    others = [count for site, count in sizes.items() if site != largest]
    if sizes[largest] <= MOST_TIMES * sum(others):
        return dict(sizes)
    return {**sizes, largest: int(np.median(others))}
