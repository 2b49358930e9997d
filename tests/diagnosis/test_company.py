"""With whom clients should learn: planted groups, one group, nobody, and too little to say."""

import numpy as np
import pytest

from headstart.diagnosis import diagnose
from headstart.diagnosis.company import Company
from headstart.diagnosis.heads import LeftOut, Part, Shared, left_by_shared

CLASSES = 4


def parts(of: list[int], size: int, seed: int = 0) -> list[Part]:
    """Clients each of whom names the classes as its group does."""
    generator, found = np.random.default_rng(seed), []
    orders = [np.roll(np.arange(CLASSES), number) for number in range(max(of) + 1)]
    for number in of:
        kind = generator.integers(0, CLASSES, size)
        inputs = 1.5 * np.eye(CLASSES, 20)[kind] + generator.normal(size=(size, 20))
        found.append((inputs, orders[number][kind]))
    return found


def company(of: list[int], size: int, seed: int = 0) -> Company:
    found = diagnose(train := parts(of, size, seed), train, CLASSES, clients=[f"c{at}" for at in range(len(of))])
    assert found.company is not None
    return found.company


def test_planted_groups_are_found_and_advised() -> None:
    found = company([0, 1] * 4, 100)
    assert found.groups == (("c0", "c2", "c4", "c6"), ("c1", "c3", "c5", "c7"))
    assert found.rows == ("c0", "c2", "c4", "c6", "c1", "c3", "c5", "c7")
    matrix = np.array(found.matrix, dtype=float)
    assert matrix[:4, :4].max() < matrix[:4, 4:].min()
    assert all("these" in one.among for one in found.clients)
    assert sum(one.advice == "these" for one in found.clients) >= 2
    assert [one.group for one in found.clients] == [0, 1] * 4


def test_one_group_learns_with_all_and_clients_of_their_own_minds_alone() -> None:
    alike, different = company([0] * 6, 100), company([0, 1, 2, 3], 150)
    assert len(alike.groups) == 1
    assert {one.advice for one in alike.clients} <= {"all", None}
    assert sum(one.advice == "all" for one in alike.clients) >= 2
    # Who is alone in its group has no third choice.
    assert all("these" not in one.among for one in (*alike.clients, *different.clients))
    assert [one.advice for one in different.clients] == ["alone"] * 4
    assert all(one.gain < 0 for one in different.clients)


def test_of_five_examples_everything_is_open() -> None:
    assert all(one.advice is None for one in company([0, 1] * 3, 5).clients)


def test_where_there_is_nothing_to_choose_no_advice_is_given() -> None:
    """Shared examples: an advice for nothing at a confidence of 95 % for all clients together."""
    given = sum(one.advice is not None for seed in range(5) for one in company([0] * 4, 12, seed).clients)
    wrong = sum(one.advice == "alone" for seed in range(5) for one in company([0] * 4, 12, seed).clients)
    assert wrong == 0
    assert given < 20


def test_heads_of_a_group_have_not_seen_the_example() -> None:
    """By hand: the group's head is solved once more without each example."""
    train = parts([0, 0, 1], 15)
    group = Shared.of(train[:2], CLASSES)
    right, squared = left_by_shared(train[0], group, CLASSES)
    design = np.concatenate([group.design(features).numpy() for features, _ in train[:2]])
    targets = np.eye(CLASSES)[np.concatenate([labels for _, labels in train[:2]])]
    for at in range(15):
        keep = np.arange(30) != at
        gram = design[keep].T @ design[keep] + group.penalty * np.eye(21)
        scores = design[at] @ np.linalg.solve(gram, design[keep].T @ targets[keep])
        assert squared[at] == pytest.approx(((targets[at] - scores) ** 2).sum(), abs=1e-9)
        assert bool(right[at]) == (scores.argmax() == train[0][1][at])


def test_many_clients_are_shown_by_group_and_very_many_not_at_all() -> None:
    found = company([0, 1] * 16, 25)
    assert found.rows == ("group 1", "group 2")
    matrix = np.array(found.matrix, dtype=float)
    assert matrix[0, 0] < matrix[0, 1]
    assert len(found.clients) == 32
    train = parts([0] * 501, 2)
    pool = Shared.of(train, CLASSES)
    left = [LeftOut.of(part, part, pool, CLASSES) for part in train[:1]] * 501
    assert Company.of(train, [str(at) for at in range(501)], pool, left, CLASSES) is None
    assert Company.of(train[:1], ["0"], pool, left[:1], CLASSES) is None
