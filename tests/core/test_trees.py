import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headstart.core import trees
from headstart.core.trees import Tree

SHAPES: dict[str, tuple[int, ...]] = {"weight": (3, 2), "bias": (3,), "scalar": ()}


def tree(seed: int) -> Tree:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in SHAPES.items()}


def same(left: Tree, right: Tree) -> None:
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name])


@given(st.integers(0, 100), st.integers(0, 100))
def test_subtract_undoes_add(first: int, second: int) -> None:
    same(trees.subtract(trees.add(tree(first), tree(second)), tree(second)), tree(first))


def test_arithmetic_is_elementwise_and_leaves_its_arguments_alone() -> None:
    left, right = tree(0), tree(1)
    same(trees.add(left, right), {name: left[name] + right[name] for name in left})
    same(trees.scale(left, -2.0), {name: left[name] * -2 for name in left})
    same(trees.zeros_like(left), {name: torch.zeros(shape).double() for name, shape in SHAPES.items()})
    same(left, tree(0))


def test_trees_pair_by_name_not_by_order() -> None:
    same(
        trees.add({"a": torch.ones(1), "b": torch.zeros(1)}, {"b": torch.ones(1), "a": torch.ones(1)}),
        {"a": torch.full((1,), 2.0), "b": torch.ones(1)},
    )


def test_a_missing_name_is_an_error() -> None:
    with pytest.raises(KeyError, match="bias"):
        trees.add(tree(0), {"weight": torch.ones(3, 2)})


def test_stack_and_unstack() -> None:
    stacked = trees.stack([tree(0), tree(1), tree(2)])
    assert {name: tuple(value.shape) for name, value in stacked.items()} == {
        name: (3, *shape) for name, shape in SHAPES.items()
    }
    for client in range(3):
        same(trees.unstack(stacked, client), tree(client))


def test_broadcast_repeats_without_copying() -> None:
    stacked = trees.broadcast(tree(0), 5)
    same(trees.unstack(stacked, 4), tree(0))
    assert stacked["weight"].stride(0) == 0


@pytest.mark.parametrize("mask", [[True, False, True], [False, False, False]])
def test_where_takes_whole_clients(mask: list[bool]) -> None:
    new, old = (trees.stack([tree(seed + i) for i in range(3)]) for seed in (0, 10))
    taken = trees.where(torch.tensor(mask), new, old)
    for client, chosen in enumerate(mask):
        same(trees.unstack(taken, client), tree(client if chosen else 10 + client))


def test_where_of_one_client_drops_what_is_not_a_number() -> None:
    bad = trees.scale(tree(0), float("nan"))
    same(trees.where(torch.tensor(False), bad, tree(1)), tree(1))


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=5))
def test_weighted_sum_is_the_sum_of_scaled_trees(weights: list[float]) -> None:
    members = [tree(seed) for seed in range(len(weights))]
    total = trees.zeros_like(members[0])
    for weight, member in zip(weights, members, strict=True):
        total = trees.add(total, trees.scale(member, weight))
    same(trees.weighted_sum(trees.stack(members), torch.tensor(weights, dtype=torch.float64)), total)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", list(SHAPES))
def test_finite_clients_finds_one_bad_number(bad: float, name: str) -> None:
    members = [tree(seed) for seed in range(3)]
    members[1][name].view(-1)[-1] = bad
    assert trees.finite_clients(trees.stack(members)).tolist() == [True, False, True]


def test_num_bytes_counts_every_type() -> None:
    assert trees.num_bytes(tree(0)) == 8 * (6 + 3 + 1)
    assert trees.num_bytes({"half": torch.zeros(3, dtype=torch.float16), "flag": torch.zeros(2).bool()}) == 8
    assert trees.num_bytes({}) == 0


def test_select_keeps_the_order_asked_for() -> None:
    assert list(trees.select(tree(0), ["scalar", "weight"])) == ["scalar", "weight"]
    with pytest.raises(KeyError):
        trees.select(tree(0), ["none"])
