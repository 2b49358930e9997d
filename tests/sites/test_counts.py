"""What sites count is what their examples say; counts that no examples have are refused by name."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.errors import ClientError
from headstart.evidence.moments import Moments, moments, whole
from headstart.evidence.outcomes import Outcomes
from headstart.sites.counts import Count, Counted, moments_of
from headstart.sites.settings import LEAST_ROWS
from headstart.sites.wire import read, write

ARMS, CLASSES = ("a", "b", "c"), 3


def drawn(seed: int, seeds: int = 3, rows: int = 60) -> Moments:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, CLASSES, rows)
    predicted = np.where(
        draw.random((len(ARMS), seeds, rows)) < draw.random(), labels, draw.integers(0, CLASSES + 1, rows)
    )
    seen, owner = np.ones(1, dtype=bool), np.zeros(rows, dtype=np.int64)
    return moments(Outcomes(ARMS, tuple(range(seeds)), ("north",), seen, owner, labels, predicted), 0)


@given(
    seed=st.integers(0, 2**32 - 1),
    seeds=st.integers(1, 5),
    rows=st.integers(LEAST_ROWS * CLASSES, 200),
    by_class=st.booleans(),
)
def test_what_examples_say_comes_through(seed: int, seeds: int, rows: int, by_class: bool) -> None:
    own = drawn(seed, seeds, rows) if by_class else whole(drawn(seed, seeds, rows))
    said = read(Counted, write(Counted.of(own)), "its answer")
    found = moments_of(said, ARMS, seeds, classes=CLASSES if by_class else None)
    kept = own.count >= LEAST_ROWS
    assert said.kept_back == (~kept).sum()
    for name in ("classes", "count", "sums", "products", "by_seed", "ahead"):
        np.testing.assert_array_equal(getattr(found, name), getattr(own, name)[kept], err_msg=name)


def test_few_examples_are_not_counted() -> None:
    with pytest.raises(ClientError, match="its test examples are too few to be counted: 5 or more"):
        Counted.of(whole(drawn(0, rows=LEAST_ROWS - 1)))
    assert Counted.of(whole(drawn(0, rows=LEAST_ROWS))).count == (LEAST_ROWS,)


SAID = Counted.of(drawn(1))


def changed(field: str, way: tuple[int, ...], value: int) -> Counted:
    """Return the counts with one number changed."""

    def put(values: Any, way: tuple[int, ...]) -> Any:
        if not way:
            return value
        return tuple(put(one, way[1:]) if at == way[0] else one for at, one in enumerate(values))

    return replace(SAID, **{field: put(getattr(SAID, field), way)})


def both_ways(field: str, value: int) -> Counted:
    table = np.array(getattr(SAID, field))
    table[0, 0, 1] = table[0, 1, 0] = value
    return replace(SAID, **{field: tuple(tuple(tuple(row) for row in part) for part in table.tolist())})


TAMPERED: dict[str, tuple[Counted, str]] = {
    "more right than examples": (changed("sums", (0, 0, 0), 999), "'sums' must be at most 'count'"),
    "fewer examples than may be": (changed("count", (0,), 4), "'count' must be at least 5, received 4"),
    "another arm": (replace(SAID, sums=tuple((*one, one[0]) for one in SAID.sums)), "'sums' must be "),
    "a seed less": (
        replace(SAID, sums=tuple(tuple(arm[1:] for arm in one) for one in SAID.sums)),
        "'sums' must be .* received another shape",
    ),
    "a stratum less": (replace(SAID, count=SAID.count[1:]), "'count' must have one number a stratum"),
    "an unknown class": (replace(SAID, classes=(0, 1, 3)), "'classes' must ascend below 3"),
    "a class twice": (replace(SAID, classes=(0, 1, 1)), "'classes' must ascend below 3"),
    "one order": (changed("products", (0, 0, 1), 0), "'products' must be the same for two arms in either order"),
    "no sums of its own": (changed("by_seed", (0, 1, 1), 0), "'by_seed' must have the sums of each arm with itself"),
    "too often together": (both_ways("by_seed", 999), "'by_seed' must be at most the sums of either arm"),
    "too large a product": (both_ways("products", 9999), "'products' must be at most the seeds times the sums"),
    "too small a product": (both_ways("products", 0), "'products' must lie between 'by_seed' and its multiple"),
}


@pytest.mark.parametrize(("said", "reason"), TAMPERED.values(), ids=TAMPERED.keys())
def test_counts_that_no_examples_have_are_refused_by_name(said: Counted, reason: str) -> None:
    with pytest.raises(ClientError, match=f"its count's {reason}"):
        moments_of(said, ARMS, 3, classes=CLASSES)


@pytest.mark.parametrize(
    ("products", "by_seed", "name"),
    [
        # Always right together at each seed, and yet not of one count over the seeds.
        (((12, 6), (6, 12)), ((6, 6), (6, 6)), "by_seed"),
        # Right together at no seed, and yet as alike as can be over the seeds.
        (((6, 12), (12, 6)), ((6, 0), (0, 6)), "products"),
    ],
)
def test_variances_below_zero_are_refused(products: Any, by_seed: Any, name: str) -> None:
    said = Counted((), (6,), (((3, 3), (3, 3)),), (products,), (by_seed,), (((0, 0), (0, 0)),), 0)
    with pytest.raises(ClientError, match=f"its count's '{name}' must leave no variance below zero"):
        moments_of(said, ("a", "b"), 2, classes=None)


def test_classes_are_not_taken_where_none_were_asked_for() -> None:
    with pytest.raises(ClientError, match="'count' must have one number a stratum"):
        moments_of(SAID, ARMS, 3, classes=None)


RUN = "0" * 32


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([["../../etc/passwd"]], r"field 'runs.0.0' "),
        ([[RUN, RUN], [RUN]], "must have as many seeds for every arm"),
        ([[RUN]] * 65, "field 'runs' "),
        ([], "field 'runs' "),
    ],
)
def test_a_site_counts_runs_of_proper_names_alone(runs: Any, reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        read(Count, json.dumps({"runs": runs, "by_class": False}), "request 'count'")
