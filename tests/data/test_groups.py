"""Rows of one group stay on one side of every split, wherever a split is drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from data.makers import write_table
from headstart.core.errors import DataError, SettingError
from headstart.data import (
    CentralSettings,
    DataSettings,
    Federation,
    PartitionSettings,
    SplitSettings,
    from_arrays,
    open_federation,
    resplit,
)
from headstart.data.groups import whole_groups
from headstart.data.open import federate, open_client
from headstart.data.sources import Source

GROUPED = SplitSettings(group="recording")


def windows(each: int = 5, recordings: int = 24, **changes: list[object]) -> pa.Table:
    """Return some windows of every recording, all of one label, at two clients."""
    draw = np.random.default_rng(0)
    of = [number for number in range(recordings) for _ in range(each)]
    columns = {
        "x": draw.normal(size=len(of)),
        "y": draw.normal(size=len(of)),
        "recording": [f"r{number:02}" for number in of],
        "label": ["ab"[number % 2] for number in of],
        "site": [["north", "south"][number % 4 // 2] for number in of],
    }
    return pa.table({**columns, **changes})


def sides(federation: Federation) -> list[tuple[set[int], set[int], set[int]]]:
    """Return the groups in train, val and test of each client."""
    groups = federation.examples.groups
    assert groups is not None
    return [tuple(set(groups[part].tolist()) for part in (c.train, c.val, c.test)) for c in federation.clients]


def is_whole(federation: Federation) -> bool:
    return not any(train & val or train & test or val & test for train, val, test in sides(federation))


def opened(table: pa.Table, **settings: object) -> Federation:
    said = {"source": "windows", "client": "site", "split": GROUPED, "standardize": "none", **settings}
    return federate(Source("windows", table), DataSettings(**said))  # type: ignore[arg-type]


COLUMN = ["test" if number < 6 else "train" for number in range(24) for _ in range(5)]
SPLITS = {
    "drawn": {},
    "no val": {"split": SplitSettings(train=0.8, val=0.0, group="recording")},
    "no test": {"split": SplitSettings(train=0.8, test=0.0, group="recording")},
    "a column": {"split": SplitSettings(column="part", group="recording")},
    "few train": {"train_per_client": 20},
    "few in all": {"max_examples": 60},
    "held out": {"held_out_clients": 0.5},
    "iid": {"client": None, "partition": PartitionSettings(num_clients=3)},
    "pathological": {
        "client": None,
        "partition": PartitionSettings(method="pathological", num_clients=3, classes_per_client=1),
    },
    "within": {"client": None, "partition": PartitionSettings(num_clients=2, within="site")},
    "a pool": {"central": CentralSettings(fraction=0.3)},
}


@pytest.mark.parametrize("settings", SPLITS.values(), ids=SPLITS.keys())
def test_no_group_is_on_two_sides(settings):
    federation = opened(windows(part=COLUMN), **settings)
    assert is_whole(federation)
    assert all(is_whole(resplit(federation, seed)) for seed in range(5))
    if settings.get("partition"):
        at = [set().union(*found) for found in sides(federation)]
        assert sum(map(len, at)) == 24
    if federation.central is not None:
        assert federation.central.groups is not None
        clients = set().union(*(group for found in sides(federation) for group in found))
        assert clients & set(federation.central.groups.tolist()) == set()
        assert len(federation.central) == 35


ROADS = {name: said for name, said in SPLITS.items() if "partition" not in said} | {
    "in time": {"split": SplitSettings(time="when", group="recording")},
    "in common time": {"split": SplitSettings(time="when", time_cut="common", group="recording")},
    "dirichlet": {"client": None, "partition": PartitionSettings(method="dirichlet_clients", num_clients=2, alpha=5)},
    "quantity": {"client": None, "partition": PartitionSettings(method="quantity_skew", num_clients=2)},
    "dealt and a pool": {
        "client": None,
        "partition": PartitionSettings(num_clients=2),
        "central": CentralSettings(fraction=0.2),
        "held_out_clients": 0.4,
        "max_examples": 40,
        "train_per_client": 8,
    },
}


@tries(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 1), st.integers(0, 20)), min_size=12, max_size=60),
    seed=st.integers(0, 30),
)
@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS.keys())
def test_no_group_is_in_two_parts_on_any_road(road, rows, seed):
    """Groups of any sizes and classes, each at one client: in train, val or test of it, or in the pool."""
    rows = [*rows, *((group, group % 2, group) for group in range(12))]
    table = pa.table(
        {
            "x": np.arange(len(rows)) / 7,
            "recording": [f"r{group:02}" for group, _, _ in rows],
            "label": ["ab"[label] for _, label, _ in rows],
            "site": [["north", "south"][group % 2] for group, _, _ in rows],
            "part": [["train", "test", "val"][group // 2 % 3] for group, _, _ in rows],
            "when": [when for _, _, when in rows],
        }
    )
    federation = opened(table, columns=("x",), seed=seed, **road)
    for one in (federation, resplit(federation, seed + 1)):
        found = [part for parts in sides(one) for part in parts]
        if one.central is not None and one.central.groups is not None:
            found.append(set(one.central.groups.tolist()))
        assert sum(map(len, found)) == len(set().union(*found))


def test_a_pool_of_the_same_file_holds_no_group_of_a_client(tmp_path: Path):
    table = windows(pool=["yes" if number % 4 == 0 else "no" for number in range(120)])
    write_table(tmp_path / "w.parquet", **table.to_pydict())
    central = CentralSettings(source="w.parquet", where={"pool": "yes"})
    said = DataSettings(source="w.parquet", client="site", columns=("x", "y"), split=GROUPED, central=central)
    with pytest.raises(
        DataError, match=r"data\.central: all 30 rows of the pool are of a 'recording' that a client has"
    ):
        open_federation(replace(said, where={"pool": "no"}), tmp_path)
    ahead = [f"r{number // 5:02}" if number < 60 else f"s{number // 4:02}" for number in range(120)]
    write_table(
        tmp_path / "w.parquet",
        **{**table.to_pydict(), "recording": ahead, "pool": ["yes"] * 20 + ["no"] * 95 + ["yes"] * 5},
    )
    federation = open_federation(replace(said, where={"pool": "no"}), tmp_path)
    assert federation.central is not None
    assert len(federation.central) == 24
    assert [one.why for one in federation.account.central.left_out][-1] == "a client holds its 'recording'"


def test_a_pool_of_another_file_may_have_the_same_names_and_is_noted(tmp_path: Path):
    write_table(tmp_path / "w.parquet", **windows().to_pydict())
    write_table(tmp_path / "p.parquet", **windows(x=[float(number) for number in range(120)]).to_pydict())
    central = CentralSettings(source="p.parquet")
    said = DataSettings(source="w.parquet", client="site", columns=("x", "y"), split=GROUPED, central=central)
    federation = open_federation(said, tmp_path)
    assert len(federation.central) == 120
    assert "central pool: 120 of 120 rows have a 'recording' whose name a client has too, and which may be one" in (
        federation.notes
    )


@pytest.mark.parametrize(
    ("recording", "sizes"), [(list(map(str, range(120))), (36, 12, 12)), (["one"] * 120, (60, 0, 0))]
)
def test_a_group_a_row_and_one_group_of_all(recording, sizes):
    federation = opened(windows(recording=recording))
    assert [(len(c.train), len(c.val), len(c.test)) for c in federation.clients] == [sizes] * 2


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=60),
    st.integers(0, 30),
    st.sampled_from([GROUPED, SplitSettings(train=0.8, val=0, group="recording")]),
    st.integers(0, 3),
)
def test_groups_of_any_sizes_and_classes_are_kept_whole(rows, seed, split, redraw):
    groups, labels = [f"r{group}" for group, _ in rows], [f"c{label}" for _, label in rows]
    table = pa.table({"x": np.arange(len(rows)) / 7, "recording": groups, "label": labels})
    settings = DataSettings(source="rows", seed=seed, split=split, task="classification", classes=("c0", "c1", "c2"))
    federation = resplit(open_client(Source("rows", table), settings, "clinic"), redraw)
    assert is_whole(federation)
    (client,), count = federation.clients, len(set(groups))
    held = np.sort(np.concatenate([client.train, client.val, client.test]))
    assert held.tolist() == list(range(len(rows)))
    assert len(client.train) > 0
    assert (len(client.test) > 0) == (count > 1)
    assert (len(client.val) > 0) == (count > 2 and split.val > 0)
    if redraw == seed:
        assert federation.key == open_client(Source("rows", table), settings, "clinic").key


@given(st.integers(1, 12), st.integers(2, 30), st.integers(0, 20))
def test_groups_of_one_size_fill_the_share_as_near_as_they_can(each, groups, seed):
    rows = np.repeat(np.arange(groups), each)
    drawn = whole_groups(rows % 2, rows, round(len(rows) * 0.3), np.random.default_rng(seed))
    assert abs(len(drawn) - 0.3 * len(rows)) <= max(each / 2 + 1, each - 0.3 * len(rows))


def test_classes_keep_their_shares():
    rows = np.repeat(np.arange(100), 5)
    drawn = whole_groups((rows >= 80).astype(int), rows, 100, np.random.default_rng(0))
    assert (rows[drawn] >= 80).sum() == 20


def test_a_group_of_most_rows_trains():
    rows = np.array([0] * 90 + [1] * 5 + [2] * 5)
    for seed in range(20):
        drawn = whole_groups(np.zeros(100), rows, 20, np.random.default_rng(seed), keep=1)
        assert len(drawn) == 10


def test_a_clients_groups_are_split_as_they_would_be_without_the_others():
    table, whole = windows(), opened(windows())
    own = table.filter(pa.compute.equal(table["site"], "north")).drop_columns("site")
    alone = open_client(Source("windows", own), DataSettings(source="windows", split=GROUPED), "north")
    # A client alone is at no scale yet, and its numbers are not rounded.
    tested = [f.examples.inputs[f.clients[0].test].astype(np.float32).tolist() for f in (whole, alone)]
    assert tested[0] == tested[1]


def test_the_groups_are_no_input_and_stand_in_the_account():
    federation = opened(windows(recording=[number // 5 for number in range(120)]))
    assert federation.examples.columns == ("x", "y")
    assert federation.account is not None
    assert federation.account.parts["recording"] == "group"


@pytest.mark.parametrize(
    ("parts", "into"),
    [
        ([*COLUMN[:-1], "test"], "test and train"),
        ([*COLUMN[:-1], "val"], "train and val"),
        (["val", *COLUMN[1:]], "test and val"),
    ],
)
def test_a_column_of_splits_that_parts_a_group_is_refused_by_name(parts, into):
    with pytest.raises(DataError, match=rf"^data\.split\.group: .* 'recording' .* 'part' parts .* 'r\d\d' .*{into}"):
        opened(windows(part=parts), split=SplitSettings(column="part", group="recording"))


def test_a_group_that_several_clients_have_is_noted():
    federation = opened(windows(recording=[f"r{number % 37}" for number in range(120)]))
    (note,) = (note for note in federation.notes if note.startswith("values of 'recording' that several clients have"))
    assert "(27 of them): r0, r1, r10, r11, r12, …; each client keeps its own of their 90 rows in one split" in note


def test_clients_of_one_group_are_noted():
    federation = opened(windows(recording=["r1", "r2"] * 60, site=["north", "south"] * 60))
    assert federation.notes[
        0
    ] == "clients with one value of 'recording' (2 of them): north, south; all their rows are " + ("for training")
    assert [len(client.test) for client in federation.clients] == [0, 0]


@pytest.mark.parametrize("name", ["recordings", "Recording"])
def test_a_column_that_is_not_there_is_an_error(name):
    with pytest.raises(DataError, match=rf"data\.split\.group: .*'{name}'.*'recording'"):
        opened(windows(), split=SplitSettings(group=name))


def test_an_empty_group_is_an_error_or_left_out():
    table = windows(recording=[None, *(f"r{number // 5}" for number in range(1, 120))])
    with pytest.raises(
        DataError, match=r"data\.split\.group: column 'recording' .* is empty in 1 rows, first in row 0"
    ):
        opened(table)
    assert len(opened(table, missing="drop").examples) == 119


def test_too_few_groups_for_a_partition_is_an_error():
    with pytest.raises(SettingError, match=r"num_clients: 24 groups cannot give 30 clients"):
        opened(windows(), client=None, partition=PartitionSettings(num_clients=30))


def test_arrays_have_groups_too():
    table = windows()
    inputs, groups = np.stack([table["x"], table["y"]], axis=1), table["recording"].to_pylist()
    federation = from_arrays(inputs, table["label"].to_pylist(), clients=table["site"].to_pylist(), groups=groups)
    assert is_whole(federation)
    assert sides(federation) == sides(opened(table))


def test_without_a_group_nothing_changes(tmp_path: Path):
    write_table(tmp_path / "w.parquet", **windows().to_pydict())
    federation = open_federation(DataSettings(source="w.parquet", client="site"), tmp_path)
    assert federation.examples.groups is None
