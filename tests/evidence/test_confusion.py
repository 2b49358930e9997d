from dataclasses import replace

import numpy as np
import pytest

from headstart.evidence.confusion import confusions
from headstart.evidence.outcomes import Outcomes
from report.answered import CASES, outcomes_of, verdict_of


def small(clients: int = 3, classes: int = 3) -> Outcomes:
    generator = np.random.default_rng(0)
    owner = np.repeat(np.arange(clients), 20)
    labels = generator.integers(classes, size=len(owner))
    predicted = np.where(
        generator.random((2, 3, len(owner))) < 0.7, labels, generator.integers(classes, size=len(owner))
    )
    names = tuple(f"c{at}" for at in range(clients))
    return Outcomes(("a", "b"), (0, 1, 2), names, np.ones(clients, dtype=bool), owner, labels, predicted)


def test_cells_are_counted_over_all_seeds() -> None:
    said = small()
    found = confusions(said, ["b", "a"])
    assert (found["arms"], found["classes"], set(found["clients"])) == (["b", "a"], 3, {"c0", "c1", "c2"})
    flat = found["clients"]["c1"][1]
    own = said.owner == 1
    expected = np.zeros((3, 3), dtype=int)
    assert said.predicted is not None
    for seed in range(3):
        np.add.at(expected, (said.labels[own], said.predicted[0, seed][own]), 1)
    cells = dict(zip(flat[::2], flat[1::2], strict=True))
    assert [[cells.get(3 * row + column, 0) for column in range(3)] for row in range(3)] == expected.tolist()


def test_a_run_that_is_missing_counts_nothing() -> None:
    said = small()
    assert said.predicted is not None
    said.predicted[0, 1] = -1
    flat = confusions(said, ["a"])["clients"]["c0"][0]
    assert sum(flat[1::2]) == 40


def test_of_many_clients_those_that_stand_out_are_told_of() -> None:
    said = small(clients=200)
    found = confusions(said, ["a", "b"])
    assert 40 <= len(found["clients"]) <= 60
    right = said.scores("a", "accuracy").mean(axis=0)
    worst = min(range(200), key=lambda at: right[said.owner == at].mean())
    assert f"c{worst}" in found["clients"]


@pytest.mark.parametrize(
    "said", [None, small(classes=120), replace(small(), predicted=None, parts=np.zeros((2, 3, 60)))]
)
def test_nothing_is_counted_where_nothing_can_be(said: Outcomes | None) -> None:
    assert confusions(said, ["a"]) == {}


def test_the_verdict_keeps_those_of_the_families_arms() -> None:
    case = CASES["undecided"]
    verdict, _ = verdict_of(case, [f"clinic-{at}" for at in range(case.clients)])
    said = verdict.as_json()["confusions"]
    assert said["arms"][0] == verdict.answer.families[verdict.answer.leader].representative  # type: ignore[index]
    assert len(said["arms"]) == 3
    right = outcomes_of(case, list(said["clients"]), 0).scores(said["arms"][0], "accuracy")[:, : case.examples]
    flat = said["clients"]["clinic-0"][0]
    assert sum(count for cell, count in zip(flat[::2], flat[1::2], strict=True) if cell % 5 == 0) == right.sum()
