from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.errors import SettingError
from headstart.data.partition import by_name, deal
from headstart.data.split_settings import PartitionMethod, PartitionSettings

LABELS = np.arange(600) % 5
METHODS = sorted(set(get_args(PartitionMethod)) - {"natural"})


def _class_mix(members: dict[str, np.ndarray]) -> np.ndarray:
    counts = np.stack([np.bincount(LABELS[rows], minlength=5) for rows in members.values()])
    return counts / counts.sum(1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
def test_no_example_goes_to_two_clients_and_the_seed_decides(method):
    partition = PartitionSettings(method=method, num_clients=6)
    members = deal(LABELS, partition, seed=3)
    rows = np.concatenate(list(members.values()))
    assert list(members) == [f"client-{i}" for i in range(6)]
    assert len(rows) == len(set(rows.tolist())) == 600
    assert all((np.diff(part) > 0).all() for part in members.values())
    again, other = deal(LABELS, partition, seed=3), deal(LABELS, partition, seed=4)
    assert all(np.array_equal(members[name], again[name]) for name in members)
    assert not all(np.array_equal(members[name], other[name]) for name in members)


@pytest.mark.parametrize("method", ["dirichlet_clients", "dirichlet_classes"])
def test_a_small_alpha_skews_and_a_large_one_does_not(method):
    spread = []
    for alpha in (0.1, 1000.0):
        members = deal(LABELS, PartitionSettings(method=method, num_clients=6, alpha=alpha), seed=0)
        spread.append(np.abs(_class_mix(members) - 0.2).mean())
    assert spread[0] > 0.15
    assert spread[1] < 0.05


def test_the_two_dirichlets_differ_in_what_they_hold_equal():
    sizes = {}
    for method in ("dirichlet_clients", "dirichlet_classes"):
        members = deal(LABELS, PartitionSettings(method=method, num_clients=6, alpha=0.3), seed=0)
        sizes[method] = {len(rows) for rows in members.values()}
    assert sizes["dirichlet_clients"] == {100}
    assert len(sizes["dirichlet_classes"]) > 1


@given(st.integers(1, 5))
@settings(max_examples=5, deadline=None)
def test_pathological_clients_have_exactly_k_classes(k):
    members = deal(LABELS, PartitionSettings(method="pathological", num_clients=6, classes_per_client=k), seed=k)
    assert (np.count_nonzero(_class_mix(members), axis=1) == k).all()


def test_shards_give_each_client_few_classes_and_equal_sizes():
    members = deal(LABELS, PartitionSettings(method="shards", num_clients=6, shards_per_client=1), seed=0)
    assert {len(rows) for rows in members.values()} == {100}
    assert np.count_nonzero(_class_mix(members), axis=1).max() <= 2


@pytest.mark.parametrize(("sizes", "ratio"), [("linear", 4), ("square", 16), ("exponential", np.exp(3))])
def test_quantity_skew_gives_sizes_in_proportion(sizes, ratio):
    members = deal(LABELS, PartitionSettings(method="quantity_skew", num_clients=4, sizes=sizes), seed=0)
    counts = [len(rows) for rows in members.values()]
    assert counts[-1] / counts[0] == pytest.approx(ratio, rel=0.12)
    assert np.abs(_class_mix(members)[-1] - 0.2).max() < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_examples_per_client_leaves_the_rest_out(method):
    partition = PartitionSettings(method=method, num_clients=3, examples_per_client=20)
    assert max(len(rows) for rows in deal(LABELS, partition, seed=0).values()) <= 20


def test_inside_a_column_every_value_is_dealt_on_its_own():
    sites = ["north" if i < 200 else "south" for i in range(600)]
    members = deal(LABELS, PartitionSettings(method="iid", num_clients=2), seed=0, within=sites)
    assert {name: len(rows) for name, rows in members.items()} == {
        "north-0": 100,
        "north-1": 100,
        "south-0": 200,
        "south-1": 200,
    }
    assert max(members["north-0"].max(), members["north-1"].max()) < 200


def test_classes_with_gaps_are_dealt_too():
    labels = LABELS * 3 + 2
    members = deal(labels, PartitionSettings(method="dirichlet_clients", num_clients=6), seed=0)
    assert sum(len(rows) for rows in members.values()) == 600


def test_what_cannot_be_dealt_says_why():
    with pytest.raises(SettingError, match=r"num_clients: 5 examples cannot give 6 clients"):
        deal(LABELS[:5], PartitionSettings(num_clients=6), seed=0)
    with pytest.raises(SettingError, match=r"classes_per_client: 9 is more than the 5 classes"):
        deal(LABELS, PartitionSettings(method="pathological", classes_per_client=9), seed=0)
    with pytest.raises(SettingError, match=r"'dirichlet_classes' cannot deal.*at least 90.*raise alpha"):
        deal(
            LABELS,
            PartitionSettings(method="dirichlet_classes", num_clients=6, alpha=0.05, min_examples=90),
            seed=0,
        )
    with pytest.raises(SettingError, match=r"'quantity_skew' cannot deal"):
        deal(LABELS, PartitionSettings(method="quantity_skew", num_clients=12, sizes="exponential"), seed=0)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1))
def test_natural_clients_are_the_values_of_the_column(names):
    members = by_name(names)
    assert list(members) == sorted(set(names))
    assert all(names[row] == name for name, rows in members.items() for row in rows)
    assert sum(map(len, members.values())) == len(names)
