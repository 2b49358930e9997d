"""Splits by time: what trains is earlier than what is tested, wherever a split is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headstart.core.errors import DataError, SettingError
from headstart.data import CentralSettings, DataSettings, Federation, PartitionSettings, SplitSettings, resplit
from headstart.data.open import federate, open_client
from headstart.data.partition import Members
from headstart.data.sources import Source
from headstart.data.split_settings import TimeCut
from headstart.data.split_time import split_by_time, time_notes

DATED = SplitSettings(time="seen")


def visits(rows: int = 120, **changes: Sequence[object]) -> pa.Table:
    """Return visits of patients at two clinics, of which one began later."""
    draw = np.random.default_rng(0)
    columns = {
        "x": draw.normal(size=rows),
        "seen": [f"2021-{1 + number % 12:02}-{1 + number % 28:02}" for number in range(rows)],
        "patient": [f"p{number // 3:02}" for number in range(rows)],
        "label": ["ab"[number % 2] for number in range(rows)],
        "clinic": [["north", "south"][number % 5 // 3] for number in range(rows)],
    }
    return pa.table({**columns, **changes})


def opened(table: pa.Table, **settings: object) -> Federation:
    said = {"source": "visits", "client": "clinic", "split": DATED, "standardize": "none", **settings}
    return federate(Source("visits", table), DataSettings(**said))  # type: ignore[arg-type]


def is_in_order(parts: list[np.ndarray]) -> bool:
    """Say whether all times of each part are earlier than all of the next that holds any."""
    some = [part for part in parts if len(part)]
    return all(before.max() < after.min() for before, after in pairwise(some))


rows_in_time = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=50)


@example([(0, 0, 1), (1, 0, 1), (1, 1, 1)], True, "client", DATED)
@given(
    rows_in_time,
    st.booleans(),
    st.sampled_from(["client", "common"]),
    st.sampled_from([DATED, SplitSettings(train=0.8, val=0, time="t"), SplitSettings(train=0.8, test=0, time="t")]),
)
def test_rows_of_any_times_and_groups_are_split_in_their_order(
    rows: list[tuple[int, int, int]], is_grouped: bool, cut: TimeCut, split: SplitSettings
) -> None:
    times, groups, owners = (np.array(column) for column in zip(*rows, strict=True))
    members: Members = {f"c{owner}": np.flatnonzero(owners == owner) for owner in np.unique(owners)}
    settings = SplitSettings(train=split.train, val=split.val, test=split.test, time="t", time_cut=cut)
    clients, late = split_by_time(members, times.astype(float), settings, groups if is_grouped else None)
    held = np.concatenate([late, *(part for c in clients for part in (c.train, c.val, c.test))])
    assert sorted(held.tolist()) == list(range(len(rows)))
    assert is_grouped or not len(late)
    for client in clients:
        parts = [client.train, client.val, client.test]
        assert is_in_order([times[part] for part in parts])
        if is_grouped:
            found = [set(groups[part].tolist()) for part in parts]
            assert len(set().union(*found)) == sum(map(len, found))
        if cut == "client":
            assert len(client.train) > 0
            distinct = len(np.unique(times[members[client.id]]))
            assert is_grouped or (len(client.test) > 0) == (distinct > 1 and split.test > 0)
            assert is_grouped or not split.val or (len(client.val) > 0) == (distinct > 1 + (split.test > 0))
    if cut == "common":
        assert is_in_order(
            [
                np.concatenate([times[part] for part in found])
                for found in ([c.train for c in clients], [c.test for c in clients])
            ]
        )


@given(st.integers(3, 200))
def test_shares_are_met_where_no_two_rows_are_of_one_time(count: int) -> None:
    (client,), _ = split_by_time({"a": np.arange(count)}, np.arange(count)[::-1].astype(float), DATED)
    wanted = max(1, round(0.2 * count))
    assert (len(client.val), len(client.test)) == (wanted, wanted)
    assert client.test.tolist() == list(range(wanted))


def test_rows_of_one_time_are_on_one_side() -> None:
    days = np.array([1] * 6 + [2] * 3 + [3] * 3, dtype=float)
    (client,), _ = split_by_time({"a": np.arange(12)}, days, DATED)
    assert (len(client.train), len(client.val), len(client.test)) == (6, 3, 3)


def test_a_group_has_the_time_of_its_first_row_and_its_late_rows_count_for_nothing() -> None:
    times = np.array([1, 9, 2, 3, 4, 5, 10], dtype=float)
    groups = np.array([0, 0, 1, 2, 3, 4, 4])
    (client,), late = split_by_time({"a": np.arange(7)}, times, DATED, groups)
    assert client.test.tolist() == [5, 6]  # began at 5, and whole: nothing that trains is as late
    assert client.val.tolist() == [4]
    assert client.train.tolist() == [0, 2, 3]
    assert late.tolist() == [1]  # of the first group, at 9


def test_a_study_says_which_rows_were_too_late() -> None:
    table = visits(patient=[f"p{number % 40:02}" for number in range(120)])
    federation = opened(table, split=SplitSettings(time="seen", group="patient"))
    account = federation.account
    assert account is not None
    assert account.missing_rows == 0
    assert [one.why for one in account.left_out] == ["of a 'patient' that began earlier, and later than its split"]
    assert account.parts["seen"] == "time"


def test_common_times_cut_all_clients_alike() -> None:
    seen = [f"20{10 + number // 12}-01-01" for number in range(120)]
    table = visits(seen=seen, clinic=["north" if number < 96 else "south" for number in range(120)])
    own, common = (opened(table, split=SplitSettings(time="seen", time_cut=cut)) for cut in ("client", "common"))
    assert [len(client.test) for client in own.clients] == [24, 12]
    assert [len(client.test) for client in common.clients] == [0, 24]
    assert any("clients without test examples (1 of them): north" in note for note in common.notes)


def test_no_seed_draws_val_anew() -> None:
    federation = opened(visits())
    assert resplit(federation, 5) is federation
    assert federation.fixed_val


def test_the_order_of_rows_changes_nothing() -> None:
    table = visits(id=[f"v{number:03}" for number in range(120)])
    backwards = table.take(pa.array(range(119, -1, -1)))
    assert opened(table, id="id").key == opened(backwards, id="id").key


def test_a_site_splits_its_own_rows_as_the_whole_federation_would() -> None:
    table, whole = visits(), opened(visits())
    own = table.filter(pa.compute.equal(table["clinic"], "north")).drop_columns("clinic")
    alone = open_client(Source("visits", own), DataSettings(source="visits", split=DATED), "north")
    for part in ("train", "val", "test"):
        assert (
            alone.examples.inputs[alone.clients[0].indices(part)].tolist()
            == whole.examples.inputs[whole.clients[0].indices(part)].tolist()
        )


def test_partitions_pools_and_caps_keep_the_order() -> None:
    dealt = PartitionSettings(num_clients=3)
    federation = opened(
        visits(seen=[float(number) for number in range(120)]),
        client=None,
        partition=dealt,
        central=CentralSettings(fraction=0.2),
        train_per_client=10,
        columns=("x", "seen"),
    )
    times = federation.examples.inputs[:, 1]
    assert all(is_in_order([times[part] for part in (c.train, c.val, c.test)]) for c in federation.clients)


def test_a_client_of_one_day_trains_and_is_noted() -> None:
    table = visits(seen=["2021-01-01" if number % 5 > 2 else f"2021-02-{1 + number % 28}" for number in range(120)])
    federation = opened(table)
    assert [len(client.test) > 0 for client in federation.clients] == [True, False]
    assert "clients with one value of 'seen' (1 of them): south; all their rows are in one split" in federation.notes
    assert time_notes({"a": np.arange(2)}, np.array([1.0, 2.0]), "seen") == ()


def test_an_empty_time_is_an_error_or_left_out() -> None:
    table = visits(seen=[None, *(f"2021-01-{1 + number % 28}" for number in range(119))])
    with pytest.raises(DataError, match=r"data\.split\.time: column 'seen' .* is empty in 1 rows, first in row 0"):
        opened(table)
    assert len(opened(table, missing="drop").examples) == 119


@pytest.mark.parametrize("name", ["Seen", "sen"])
def test_a_column_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(DataError, match=rf"data\.split\.time: .*'{name}'.*'seen'"):
        opened(visits(), split=SplitSettings(time=name))


def test_a_column_of_splits_and_one_of_times_are_one_too_many() -> None:
    with pytest.raises(SettingError, match=r"data\.split\.time: must stand without data\.split\.column, received 'a'"):
        SplitSettings(time="a", column="b")
    with pytest.raises(SettingError, match=r"data\.split\.time_cut: must be 'client' or 'common', received 'all'"):
        SplitSettings(time="a", time_cut="all")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"data\.split\.time_cut: must stand beside .*, received 'common'"):
        SplitSettings(time_cut="common")


def test_with_groups_the_split_that_is_shortest_of_its_share_is_as_full_as_can_be() -> None:
    """Visits of two years in chance order: what brute force over both cuts finds."""
    rng = np.random.default_rng(0)
    times, groups = rng.integers(0, 700, 200), rng.integers(0, 50, 200)
    settings = SplitSettings()
    (client,), late = split_by_time({"ward": np.arange(200)}, times, settings, groups)
    sizes = np.array([len(client.train), len(client.val), len(client.test)])
    starts = np.array([times[groups == one].min() for one in groups])
    best = max(
        min(
            (times < val).sum() / settings.train,
            ((starts >= val) & (times < test)).sum() / settings.val,
            (starts >= test).sum() / settings.test,
        )
        for val in np.unique(starts)
        for test in np.unique(starts)
        if val < test
    )
    assert min(sizes / [settings.train, settings.val, settings.test]) == best
    assert sizes.sum() + len(late) == 200
