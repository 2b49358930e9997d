"""Rows of clients in train, val and test: what may be learnt from, what is held, and why the rest is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headstart.core.errors import DataError
from headstart.data import DataSettings, Examples, PartitionSettings, SplitSettings
from headstart.data.account import LeftOut
from headstart.data.division import Division, divide, notes_on_splits, undealt
from headstart.data.partition import Members
from headstart.data.sources import Source

ROWS = 40
MEMBERS: Members = {"north": np.arange(0, 20), "south": np.arange(20, ROWS)}
SOURCE = Source(
    "wards",
    pa.table(
        {
            "patient": [f"p{row % 13:02}" for row in range(ROWS)],
            "seen": [2000 + row % 10 for row in range(ROWS)],
            "part": [["train", "test", "val", "train"][row % 4] for row in range(ROWS)],
        }
    ),
)


def examples(groups: bool = False) -> Examples:
    codes = np.unique(SOURCE.table["patient"].to_pylist(), return_inverse=True)[1] if groups else None
    inputs, labels = np.zeros((ROWS, 1), np.float32), np.arange(ROWS) % 2
    return Examples("table", inputs, labels, list(map(str, range(ROWS))), ("a", "b"), groups=codes)


def divided(split: SplitSettings, **said: object) -> Division:
    settings = DataSettings(source="wards", split=split, **said)  # type: ignore[arg-type]
    return divide(examples(bool(split.group)), SOURCE, settings, MEMBERS)


@pytest.mark.parametrize(
    ("split", "fixed_val"),
    [(SplitSettings(), False), (SplitSettings(column="part"), True), (SplitSettings(time="seen"), True)],
)
def test_every_rule_gives_each_row_one_place(split: SplitSettings, fixed_val: bool) -> None:
    found = divided(split)
    assert found.fixed_val == fixed_val
    assert found.held.tolist() == list(range(ROWS))
    tested = np.concatenate([client.test for client in found.clients])
    assert sorted([*found.outside_test, *tested]) == list(range(ROWS))


def test_nothing_is_learnt_from_who_is_held_out() -> None:
    found = divided(SplitSettings(), held_out_clients=0.5)
    (seen,) = (client for client in found.clients if client.seen)
    assert set(found.outside_test.tolist()) == {*seen.train.tolist(), *seen.val.tolist()}


def test_val_that_a_column_names_elsewhere_is_not_drawn_here() -> None:
    parts = pa.table({"part": ["train", "test"] * 20})
    settings = DataSettings(source="wards", split=SplitSettings(column="part"))
    drawn, fixed = (
        divide(examples(), Source("wards", parts), settings, MEMBERS, fixed_val=fixed) for fixed in (False, True)
    )
    assert [len(client.val) > 0 for client in drawn.clients] == [True, True]
    assert [len(client.val) > 0 for client in fixed.clients] == [False, False]


def test_rows_without_a_split_each_have_a_reason() -> None:
    split = SplitSettings(time="seen", group="patient")
    settings = DataSettings(source="wards", split=split, train_per_client=3)
    members: Members = {"north": np.arange(0, 20), "south": np.arange(20, 36)}
    found = divide(examples(groups=True), SOURCE, settings, members)
    told = undealt(SOURCE, members, found, settings)
    assert all(isinstance(one, LeftOut) for one in told)
    reasons = {one.why: one.count for one in told if isinstance(one, LeftOut)}
    assert reasons["given to no client by data.partition"] == 4
    assert reasons["of a 'patient' that began earlier, and later than its split"] == len(found.late) > 0
    assert reasons["beyond data.train_per_client = 3"] > 0
    assert sum(reasons.values()) + len(found.held) == ROWS


def test_a_column_that_parts_groups_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.split\.group: .* 'part' parts"):
        divided(SplitSettings(column="part", group="patient"))


def test_notes_are_of_groups_and_of_times() -> None:
    one_day = Source("wards", SOURCE.table.set_column(1, "seen", pa.array(["2021-03-04"] * ROWS)))
    settings = DataSettings(
        source="wards",
        partition=PartitionSettings(num_clients=2),
        split=SplitSettings(time="seen", group="patient"),
    )
    whole = Division((), True, np.zeros(0, np.int64))
    notes = notes_on_splits(one_day, MEMBERS, settings, whole)
    assert [note.split(" (")[0] for note in notes] == [
        "values of 'patient' that several clients have",
        "clients with one value of 'seen'",
    ]
    assert notes_on_splits(one_day, MEMBERS, DataSettings(source="wards", client="site"), whole) == ()
    many = whole._replace(late=np.arange(ROWS // 2))
    assert (
        "rows are left out, as each 'patient' is in the split" in notes_on_splits(one_day, MEMBERS, settings, many)[-1]
    )
