import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.errors import DataError, SettingError
from headstart.data import Client, Examples, Federation, SplitSettings, resplit
from headstart.data.split import cap_train, hold_out, split_by_column, split_client

LABELS = np.array([0] * 60 + [1] * 30 + [2] * 10)


def _federation(count: int = 100, fixed_val: bool = False) -> Federation:
    labels = LABELS[:count]
    examples = Examples(
        "table", np.zeros((count, 1), np.float32), labels, [str(i) for i in range(count)], ("a", "b", "c")
    )
    clients = [split_client(labels, np.arange(count), SplitSettings(), 0, "clinic")]
    return Federation(examples, clients, fixed_val=fixed_val)


@pytest.mark.parametrize(("part", "expected"), [("train", [36, 18, 6]), ("val", [12, 6, 2]), ("test", [12, 6, 2])])
def test_every_class_is_split_in_proportion(part, expected):
    client = split_client(LABELS, np.arange(100), SplitSettings(), 0, "clinic")
    assert np.abs(np.bincount(LABELS[client.indices(part)], minlength=3) - expected).max() <= 1


@given(st.integers(1, 40), st.integers(0, 50))
def test_a_split_is_a_partition_and_every_part_asked_for_is_there(count, seed):
    rows = np.arange(count) * 2
    client = split_client(np.zeros(100, np.int64), rows, SplitSettings(), seed, "clinic")
    assert sorted([*client.train, *client.val, *client.test]) == rows.tolist()
    sizes = (len(client.train), len(client.val), len(client.test))
    assert sizes[0] >= 1
    if count == 2:
        assert sizes == (1, 0, 1)
    if count >= 3:
        assert min(sizes) >= 1


@pytest.mark.parametrize(
    ("count", "settings", "sizes"),
    [
        (1, SplitSettings(), (1, 0, 0)),
        (2, SplitSettings(), (1, 0, 1)),
        (3, SplitSettings(), (1, 1, 1)),
        (4, SplitSettings(), (2, 1, 1)),
        (2, SplitSettings(train=0.8, val=0.2, test=0.0), (1, 1, 0)),
        (3, SplitSettings(train=0.8, val=0.0, test=0.2), (2, 0, 1)),
    ],
)
def test_the_rule_for_small_clients(count, settings, sizes):
    client = split_client(np.zeros(count), np.arange(count), settings, 0, "clinic")
    assert (len(client.train), len(client.val), len(client.test)) == sizes


def test_a_clients_split_does_not_depend_on_the_others_or_on_another_seed_part():
    rows = np.arange(0, 100, 2)
    same = split_client(LABELS, rows, SplitSettings(), 7, "a")
    assert np.array_equal(same.test, split_client(LABELS, rows, SplitSettings(), 7, "a").test)
    assert not np.array_equal(same.test, split_client(LABELS, rows, SplitSettings(), 8, "a").test)
    assert not np.array_equal(same.test, split_client(LABELS, rows, SplitSettings(), 7, "b").test)


def test_resplit_moves_val_and_never_test():
    federation = _federation()
    before, after = federation.clients[0], resplit(federation, 5).clients[0]
    assert np.array_equal(before.test, after.test)
    assert not np.array_equal(before.val, after.val)
    assert sorted([*before.train, *before.val]) == sorted([*after.train, *after.val])
    assert len(before.val) == len(after.val)


def test_resplit_with_the_seed_of_the_data_changes_nothing():
    assert resplit(_federation(), 0).key == _federation().key


def test_a_val_that_the_data_fixes_stays():
    federation = _federation(fixed_val=True)
    assert resplit(federation, 5) is federation


def test_a_column_decides_and_val_is_drawn_from_train_where_it_says_none():
    labels, values = np.arange(40) % 2, ["test" if i < 10 else "train" for i in range(40)]
    (client,) = split_by_column(labels, {"a": np.arange(40)}, values, SplitSettings(column="split"), 0)
    assert client.test.tolist() == list(range(10))
    assert (len(client.train), len(client.val)) == (22, 8)  # a quarter of 30 is val: 0.2 / (0.6 + 0.2)
    settings = SplitSettings(train=0.8, val=0.0, test=0.2, column="split")
    (client,) = split_by_column(labels, {"a": np.arange(40)}, values, settings, 0)
    assert (len(client.train), len(client.val)) == (30, 0)


def test_a_column_with_val_is_taken_as_it_is():
    values = ["train", "validation", "Test", "dev"]
    (client,) = split_by_column(np.zeros(4), {"a": np.arange(4)}, values, SplitSettings(column="split"), 0)
    assert (client.train.tolist(), client.val.tolist(), client.test.tolist()) == ([0], [1, 3], [2])


def test_a_column_with_another_word_is_an_error():
    with pytest.raises(DataError, match=r"data\.split\.column: 'split' says 'tets'.*did you mean 'test'"):
        split_by_column(np.zeros(1), {"a": np.arange(1)}, ["tets"], SplitSettings(column="split"), 0)


def _clients(count: int) -> list[Client]:
    return [Client(f"c{i}", np.arange(1), np.arange(0), np.arange(0)) for i in range(count)]


@pytest.mark.parametrize(("count", "share", "held"), [(10, 0.2, 2), (10, 0.01, 1), (2, 0.9, 1), (3, 0.0, 0)])
def test_a_share_of_the_clients_is_held_out_but_never_all(count, share, held):
    clients = hold_out(_clients(count), share, seed=0)
    assert sum(not client.seen for client in clients) == held


def test_who_is_held_out_depends_on_the_seed_not_on_the_order():
    forward, backward = hold_out(_clients(20), 0.3, 1), hold_out(_clients(20)[::-1], 0.3, 1)
    assert {c.id for c in forward if c.seen} == {c.id for c in backward if c.seen}
    assert {c.id for c in forward if c.seen} != {c.id for c in hold_out(_clients(20), 0.3, 2) if c.seen}


def test_one_client_cannot_be_held_out():
    with pytest.raises(SettingError, match=r"data\.held_out_clients: 0\.5 of 1 client"):
        hold_out(_clients(1), 0.5, seed=0)


def test_train_is_capped_class_by_class():
    client = Client("a", np.arange(100), np.arange(0), np.arange(0))
    capped = cap_train(LABELS, client, 20, seed=0)
    assert np.abs(np.bincount(LABELS[capped.train]) - [12, 6, 2]).max() <= 1
    assert cap_train(LABELS, client, 200, seed=0) is client
