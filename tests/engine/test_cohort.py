"""Who takes part in a round, and when too many of them failed."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.federation import Client
from headstart.engine.cohort import check_failures, sample_cohort
from headstart.engine.received import Exclusion
from headstart.federate import Schedule

NOTHING = np.empty(0, dtype=np.int64)


MEMBERS = [Client(f"c{i:02}", np.arange(i + 1), NOTHING, NOTHING) for i in range(12)]


@given(size=st.integers(1, 20), number=st.integers(0, 50), seed=st.integers(0, 50))
def test_a_cohort_is_drawn_without_replacement_in_a_fixed_order(size: int, number: int, seed: int) -> None:
    ids = sample_cohort(len(MEMBERS), Schedule(cohort_size=size), seed, number).tolist()
    assert len(ids) == len(set(ids)) == min(size, len(MEMBERS))
    assert ids == sorted(ids)
    assert ids == sample_cohort(len(MEMBERS), Schedule(cohort_size=size), seed, number).tolist()


def test_without_a_cohort_size_everyone_takes_part() -> None:
    assert sample_cohort(12, Schedule(), 0, 0).tolist() == list(range(12))


def test_every_client_is_drawn_equally_often() -> None:
    counts = Counter(i for n in range(2000) for i in sample_cohort(12, Schedule(cohort_size=3), 0, n).tolist())
    np.testing.assert_allclose([counts[i] for i in range(12)], 2000 * 3 / 12, rtol=0.15)


def test_dropout_silences_the_share_it_says_independently() -> None:
    schedule = Schedule(client_dropout=0.3)
    rounds = [set(sample_cohort(12, schedule, 0, n).tolist()) for n in range(1000)]
    answered = np.array([[i in cohort for i in range(12)] for cohort in rounds])
    np.testing.assert_allclose(answered.mean(0), 0.7, atol=0.06)
    correlations = np.corrcoef(answered.T.astype(float))[np.triu_indices(len(MEMBERS), 1)]
    assert np.abs(correlations).max() < 0.15


def test_who_drops_out_does_not_depend_on_who_else_is_there() -> None:
    schedule = Schedule(client_dropout=0.5)
    everyone = set(sample_cohort(12, schedule, 3, 1).tolist())
    half = set(sample_cohort(6, schedule, 3, 1).tolist())
    assert half == everyone & set(range(6))


def test_no_failures_are_never_too_many() -> None:
    check_failures([], 0, 0.0, 0)
    check_failures([Exclusion("c0", 0, "")], 2, 0.5, 0)
