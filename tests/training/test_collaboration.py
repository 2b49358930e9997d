"""Who should be with whom, from sums: errors by hand, moves by trying all, groups that were planted."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from headstart.core.arrays import Array
from headstart.training.collaboration import ClientSums, best_groups, cross_errors, distances, group, partitions
from headstart.training.ridge import own_ridge

Client = tuple[torch.Tensor, torch.Tensor]


def clients_of(groups: list[int], sizes: list[int], seed: int = 0, classes: int = 5) -> list[Client]:
    """Clients whose group says in which order classes are named."""
    generator = np.random.default_rng(seed)
    orders = np.stack([np.roll(np.arange(classes), number) for number in range(max(groups) + 1)])
    found = []
    for number, size in zip(groups, sizes, strict=True):
        kind = generator.integers(0, classes, size)
        inputs = 2 * np.eye(classes, 12)[kind] + generator.normal(size=(size, 12))
        design, targets = np.c_[inputs, np.ones(size)], np.eye(classes)[orders[number, kind]]
        found.append((torch.from_numpy(design), torch.from_numpy(targets)))
    return found


def sums_of(clients: list[Client]) -> tuple[ClientSums, torch.Tensor]:
    heads, left = (torch.stack(each) for each in zip(*(own_ridge(*client) for client in clients), strict=True))
    sizes = np.array([len(design) for design, _ in clients])
    grams = [design.mT @ design for design, _ in clients]
    moments = torch.stack([design.mT @ targets for design, targets in clients])
    squares = torch.stack([targets.square().sum() for _, targets in clients])
    return ClientSums(grams.__getitem__, moments, squares, sizes, left.numpy() / sizes), heads


def found_in(groups: list[int], sizes: list[int], seed: int = 0) -> list[int]:
    found: list[int] = best_groups(*sums_of(clients_of(groups, sizes, seed))).of.tolist()
    return found


def test_errors_from_sums_are_those_on_the_examples() -> None:
    clients = clients_of([0, 1, 1], [20, 7, 30])
    sums, heads = sums_of(clients)
    found = sums.errors(heads)
    for i, j in product(range(3), range(3)):
        design, targets = clients[j]
        assert found[i, j] == pytest.approx(float((targets - design @ heads[i]).square().sum() / len(design)))
    assert cross_errors(heads, map(sums.gram, range(3)), sums.moments, sums.squares) == pytest.approx(found)
    assert sums.errors(heads[:1], [2]) == pytest.approx(found[:1, 2:])


def test_a_head_of_several_is_ridge_regression_on_their_examples() -> None:
    clients = clients_of([0, 0, 0], [30, 20, 40])
    sums, _ = sums_of(clients)
    fitted = sums.fit([0, 2])
    design, targets = (torch.cat([clients[at][part] for at in (0, 2)]).numpy() for part in (0, 1))
    errors = {}
    for power in range(-12, 5):
        penalty = float((design.T @ design).trace() / design.shape[1]) * 10 ** (power / 2)
        head = Ridge(alpha=penalty, fit_intercept=False).fit(design, targets).coef_.T
        smoother = design @ np.linalg.solve(design.T @ design + penalty * np.eye(13), design.T)
        share = float(smoother.trace()) / len(design)
        errors[float(((targets - design @ head) ** 2).sum()) / len(design) / (1 - share) ** 2] = head, share
    head, share = errors[min(errors)]
    assert fitted.error == pytest.approx(min(errors))
    assert fitted.leverage == pytest.approx(share)
    assert fitted.head.numpy() == pytest.approx(head, abs=1e-9)


def test_distances_of_equal_clients_are_nothing_on_average() -> None:
    between = [
        distances(sums.errors(heads), sums.own)
        for sums, heads in (sums_of(clients_of([0, 0, 1], [60, 60, 60], seed)) for seed in range(30))
    ]
    alike, other = (np.array([one[0, at] for one in between]) for at in (1, 2))
    assert abs(alike.mean()) < 3 * alike.std() / np.sqrt(30)
    assert other.min() > 0.3
    assert all((one == one.T).all() for one in between)


def bound(of: Array, between: Array, sizes: Array, constant: float) -> float:
    """FedCollab's, written down as it stands in the paper, with m times its weights the numbers of examples."""
    total = 0.0
    for i in range(len(of)):
        mine = np.flatnonzero(of == of[i])
        weights = sizes[mine] / sizes[mine].sum()
        total += constant * np.sqrt((weights**2 / sizes[mine]).sum()) + weights @ between[i, mine]
    return total / len(of)


@pytest.mark.parametrize("seed", range(8))
def test_no_single_move_lowers_the_bound_further(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes, half = generator.integers(5, 50, 9), generator.random((9, 9))
    between = np.triu(half, 1) + np.triu(half, 1).T
    for constant in (0.5, 2.0, 8.0):
        of = group(between, sizes, constant)
        value = bound(of, between, sizes, constant)
        assert value <= bound(np.arange(9), between, sizes, constant) + 1e-9
        for client, other in product(range(9), range(10)):
            moved = of.copy()
            moved[client] = other
            assert bound(moved, between, sizes, constant) >= value - 1e-9


def test_constants_lead_from_all_together_to_nobody() -> None:
    sums, heads = sums_of(clients_of([0, 1, 0, 1, 2], [30] * 5))
    tried = partitions(distances(sums.errors(heads), sums.own), sums.sizes)
    assert tried[0].tolist() == [0] * 5
    assert tried[-1].tolist() == list(range(5))
    assert [0, 1, 0, 1, 2] in [of.tolist() for of in tried]


@pytest.mark.parametrize("seed", range(4))
def test_planted_groups_are_found(seed: int) -> None:
    four = [0, 1, 2, 3] * 5
    assert found_in(four, [25] * 20, seed) == four
    assert found_in([0] * 12, [25] * 12, seed) == [0] * 12
    assert found_in([0, 1, 2, 3, 4], [40] * 5, seed) == [0, 1, 2, 3, 4]
    unequal = [0, 0, 1, 1, 1, 0]
    assert found_in(unequal, [300, 20, 15, 200, 30, 40], seed) == unequal


def test_one_client_is_alone_and_a_few_examples_are_no_reason_to_part() -> None:
    assert found_in([0], [20]) == [0]
    assert found_in([0] * 8, [5] * 8) == [0] * 8


def test_errors_of_groups_are_those_of_examples_left_out() -> None:
    """What a group's clients are said to lose is near what new examples of theirs lose."""
    clients, new = (clients_of([0, 1] * 4, [size] * 8, size) for size in (40, 4000))
    found = best_groups(*sums_of(clients))
    assert found.of.tolist() == [0, 1] * 4
    for at, (design, targets) in enumerate(new):
        head = found.heads[int(found.of[at])].head
        assert found.each[at] == pytest.approx(float((targets - design @ head).square().sum(1).mean()), rel=0.35)
    assert found.members(1) == [1, 3, 5, 7]
