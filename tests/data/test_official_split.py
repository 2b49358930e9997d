"""A split that the source states and the study does not use is told."""

import pyarrow as pa
import pytest

from data.makers import write_people
from headstart.data import DataSettings, SplitSettings, open_federation
from headstart.data.official_split import official_splits
from headstart.data.reading import Reading
from headstart.data.sources import Source

HALF = ["train"] * 20 + ["test"] * 20


def noted(name, values, **reading):
    source = Source("pets", pa.table({name: values}))
    return name in official_splits(source, Reading(setting="data", label="label", **reading))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("split", ["train", "test"]),
        ("fold", ["Training", "TEST", None]),
        ("set", ["dev", "train", "test", "not used"]),
        ("split", ["train", "test", "unsupervised"]),
    ],
)
def test_a_column_of_splits_is_seen(name, values):
    assert noted(name, values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("split", ["train", "train"]),
        ("split", ["test", "test"]),
        ("kind", ["test", "quiz"]),
        ("kind", ["train", "bus"]),
        ("split", [0, 1]),
        ("fold", [*["train"] * 200, "test", "quiz"]),
    ],
)
def test_other_columns_are_none(name, values):
    assert not noted(name, values)


@pytest.mark.parametrize("reading", [{"split": "other"}, {"where": {"split": "train"}}])
def test_a_study_that_chose_is_not_told(reading):
    assert not noted("split", ["train", "test"], **reading)


def test_the_note_counts_and_says_what_to_do(tmp_path):
    source = write_people(tmp_path, split=HALF)
    settings = {"source": source, "client": "site"}
    notes = open_federation(DataSettings(**settings), tmp_path).notes
    assert (
        "'people.parquet' has an official split that the study does not use: column 'split' says train 20, test 20; "
        "test on its test rows with data.split.column = 'split', or keep some rows with data.where"
    ) in notes
    used = open_federation(DataSettings(**settings, split=SplitSettings(column="split")), tmp_path).notes
    assert not [note for note in used if "official" in note]
