"""Sums of a client's examples say as much of two arms as its rows do."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.errors import DataError
from headstart.evidence.moments import Moments, moments, paired_moments
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.paired import Paired, paired

CLASSES, ARMS = 3, ("ridge", "fedavg", "local")


def drawn(seed: int, *, seeds: int, clients: int, rows: int) -> Outcomes:
    draw = np.random.default_rng(seed)
    owner = np.sort(draw.integers(0, clients, rows))
    predicted = draw.integers(0, CLASSES, (len(ARMS), seeds, rows))
    return Outcomes(
        arms=ARMS,
        seeds=tuple(range(seeds)),
        clients=tuple(f"c{i}" for i in range(clients)),
        seen=np.ones(clients, dtype=bool),
        owner=owner,
        labels=draw.integers(0, CLASSES, rows),
        predicted=predicted,
        metric="log_loss",
        parts=draw.exponential(size=predicted.shape).astype(np.float32),
    )


def of_clients(outcomes: Outcomes, metric: str) -> list[Moments]:
    return [moments(outcomes, client, metric) for client in range(len(outcomes.clients))]


def from_rows(outcomes: Outcomes, metric: str, *, by_class: bool) -> Paired:
    difference = outcomes.scores("ridge", metric) - outcomes.scores("local", metric)
    stratum = outcomes.owner * CLASSES + outcomes.labels if by_class else outcomes.owner
    return paired(difference.astype(np.float64), stratum, outcomes.owner)


@given(
    seed=st.integers(0, 2**32 - 1),
    seeds=st.integers(1, 5),
    clients=st.integers(1, 6),
    rows=st.integers(1, 60),
    metric=st.sampled_from(["accuracy", "balanced_accuracy", "log_loss"]),
    by_class=st.booleans(),
)
def test_sums_say_what_rows_say(seed: int, seeds: int, clients: int, rows: int, metric: str, by_class: bool) -> None:
    outcomes = drawn(seed, seeds=seeds, clients=clients, rows=rows)
    found = paired_moments(of_clients(outcomes, metric), "ridge", "local", by_class=by_class)
    expected = from_rows(outcomes, metric, by_class=by_class)
    for name in (field.name for field in fields(Paired)):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-6, err_msg=name)


@given(seed=st.integers(0, 2**32 - 1), seeds=st.integers(1, 7), rows=st.integers(1, 60))
def test_two_arms_that_do_not_vary_have_no_variance_at_all(seed: int, seeds: int, rows: int) -> None:
    outcomes = drawn(seed, seeds=seeds, clients=3, rows=rows)
    outcomes.predicted[0], outcomes.predicted[2] = outcomes.labels, (outcomes.labels + 1) % CLASSES
    found = paired_moments(of_clients(outcomes, "accuracy"), "ridge", "local", by_class=False)
    assert not found.squares.any()
    assert not found.wobble.any()
    assert (found.mean == 1).all()


def test_a_client_sends_sums_by_class_and_no_rows() -> None:
    sent = moments(drawn(0, seeds=2, clients=1, rows=1000), 0)
    assert sent.classes.tolist() == [0, 1, 2]
    assert sent.count.sum() == 1000
    assert {sent.sums.shape, sent.products.shape, sent.by_seed.shape} == {(3, 3, 2), (3, 3, 3)}


def test_a_client_without_examples_has_no_stratum() -> None:
    outcomes = drawn(0, seeds=2, clients=2, rows=10)
    outcomes = replace(outcomes, owner=np.zeros(10, dtype=int))
    for by_class, strata in ((True, 3), (False, 1)):
        found = paired_moments(of_clients(outcomes, "accuracy"), "ridge", "local", by_class=by_class)
        assert found.client.tolist() == [0] * strata


def test_an_arm_that_lacks_a_seed_is_refused_by_name() -> None:
    outcomes = drawn(0, seeds=2, clients=1, rows=10)
    outcomes.predicted[1, 0] = -1
    with pytest.raises(DataError, match=r"moments: every arm must have run.*got fedavg without one"):
        moments(outcomes, 0)


def test_other_arms_at_another_client_are_refused() -> None:
    first, second = of_clients(drawn(0, seeds=2, clients=2, rows=20), "accuracy")
    with pytest.raises(DataError, match=r"moments: every client must sum up the same arms and seeds"):
        paired_moments([first, replace(second, arms=("a", "b", "c"))], "ridge", "local", by_class=True)
    with pytest.raises(DataError, match=r"moments: no arm 'locl'; did you mean 'local'"):
        paired_moments([first], "ridge", "locl", by_class=True)
