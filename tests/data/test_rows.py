"""Which rows count, what is said of the others, and that with names their order does not."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.core.errors import DataError
from headstart.data import CentralSettings, DataSettings, PartitionSettings, open_federation, resplit
from headstart.data.account import notes_in
from headstart.data.reading import Reading
from headstart.data.rows import copies, keep_filled, keep_where, subsample
from headstart.data.sources import Source

ROWS = 60


def table(order, **changes):
    rng = np.random.default_rng(0)
    columns = {
        "code": [f"p/{i}" if i % 7 else f"p{i}" for i in rng.permutation(ROWS)],
        "age": rng.normal(size=ROWS),
        "label": ["ill" if i % 3 else "well" for i in range(ROWS)],
        "site": [f"s{i % 4}" for i in range(ROWS)],
    }
    return pa.table({**columns, **changes}).take(pa.array(order))


def federation(folder, order, **settings):
    pq.write_table(table(order), folder / "people.parquet")
    return open_federation(
        DataSettings(source="people.parquet", **{"id": "code", "client": "site", **settings}), folder
    )


ORDERS = {
    "backwards": np.arange(ROWS)[::-1],
    "by label": np.argsort([i % 3 for i in range(ROWS)], kind="stable"),
    "at random": np.random.default_rng(1).permutation(ROWS),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_examples": 31},
        {"held_out_clients": 0.5, "train_per_client": 3},
        {"client": None, "partition": PartitionSettings(method="dirichlet_clients", num_clients=3)},
        {"client": None, "partition": PartitionSettings(num_clients=2, within="site")},
        {"central": CentralSettings(fraction=0.3)},
        {
            "central": CentralSettings(source="people.parquet", id="code", max_examples=20),
            "where": {"site": ("s0", "s1")},
        },
    ],
    ids=["plain", "subsample", "held out", "dirichlet", "within", "share", "pool"],
)
def test_with_names_the_order_of_rows_changes_nothing(tmp_path, settings, order):
    first = federation(tmp_path, np.arange(ROWS), **settings)
    other = federation(tmp_path, ORDERS[order], **settings)
    assert first.key == other.key
    assert resplit(first, 5).key == resplit(other, 5).key


def test_without_names_rows_have_their_numbers(tmp_path):
    first = federation(tmp_path, np.arange(ROWS), id=None)
    assert list(first.examples.ids[:2]) == ["people.parquet:0", "people.parquet:1"]


def source(names=(), **columns):
    return Source("clinics", pa.table(columns), {"label": tuple(names)} if names else {})


def test_a_value_to_keep_that_no_row_has_is_told():
    sites = source(site=["north", "south", "east"])
    kept, found = keep_where(sites, Reading(setting="data", label=None, where={"site": ("north", "nroth", "south")}))
    assert len(kept) == 2
    assert notes_in(found) == ("data.where: no row of 'clinics' has site = nroth",)
    assert notes_in(keep_where(sites, Reading(setting="data", label=None, where={"site": ("north",)}))[1]) == ()


def test_labels_that_the_hub_hides_are_told_as_such():
    hidden = source(("cat", "dog"), label=[0, -1, 1, -1])
    with pytest.raises(
        DataError, match=r"'label' of 'clinics' is hidden \(-1\).*in 2 rows, first in row 1.*data\.where"
    ):
        keep_filled(hidden, Reading(setting="data", label="label"))
    kept, found = keep_filled(hidden, Reading(setting="data", label="label", missing="drop"))
    assert len(kept) == 2
    assert "'label' is hidden (-1)" in notes_in(found)[0]


@pytest.mark.parametrize("labels", [[0, None], [0, None, -1]])
def test_an_empty_label_is_not_called_hidden(labels):
    with pytest.raises(DataError, match=r"is empty in"):
        keep_filled(source(("cat", "dog"), label=labels), Reading(setting="data", label="label"))


@pytest.mark.parametrize("column", [[[1], [0]], [{"a": 1}, {"a": 2}]])
@pytest.mark.parametrize("part", ["label", "site"])
def test_a_column_of_lists_names_nothing(column, part):
    columns = {"label": ["a", "b"], "site": ["x", "y"], part: column}
    with pytest.raises(
        DataError, match=rf"must be a column of single values, received '{part}' of 'clinics', which holds"
    ):
        keep_filled(source(**columns), Reading(setting="data", label="label", needed=("site",)))


def test_blanks_around_names_are_noted():
    blank = source(label=["a", "b", "a"], site=["VA", "VA ", "x"])
    _, notes = keep_filled(blank, Reading(setting="data", label="label", needed=("site",)))
    assert notes == ("blanks around the names in 'site' are left out: 'VA '",)


@pytest.mark.parametrize(
    ("columns", "count"),
    [
        ({"a": [1, 1, 2], "b": ["x", "x", "x"]}, 1),
        ({"a": [1, 1, 1], "b": ["x", "x", "x"]}, 2),
        ({"a": [1, 1, 2], "b": ["x", "y", "x"]}, 0),
        ({"a": [[1], [1]]}, 0),
        ({"a": [None, None], "b": [1, 1]}, 1),
    ],
)
def test_copies_of_a_row_are_counted(columns, count):
    notes = copies(source(**columns))
    assert [note.split(" of ")[0] for note in notes] == ([str(count)] if count else [])


def test_names_with_slashes_are_not_mixed_up():
    columns = {"one": ["a/b", "a"] * 4, "two": ["c", "b/c"] * 4}
    reading = Reading(setting="data", label=None, needed=("one", "two"), max_examples=4)
    kept, _, _ = subsample(source(**columns), np.zeros(8, np.int64), reading)
    assert sorted(kept.texts("one", "x")) == ["a", "a", "a/b", "a/b"]
