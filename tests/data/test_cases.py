"""Files from the field, in the folder HEADSTART_CASES: each is read right, or refused with the right cause."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from headstart.core.errors import DataError
from headstart.data import DataSettings, PartitionSettings, SplitSettings, open_federation, resplit
from headstart.data.standardize import UNSCALED

TWO = PartitionSettings(num_clients=2)
HEART = ("age", "sex", "trestbps", "chol", "thalach", "exang", "oldpeak")


@pytest.mark.parametrize(
    ("source", "settings", "columns"),
    [
        ("case-20/in.csv", {"client": "hospital", "label": "num", "missing": "mean"}, HEART),
        ("case-20/pid.csv", {"client": "hospital", "label": "num", "missing": "mean"}, HEART),
        ("case-22/semi.csv", {"client": "klinik", "columns": ("alter", "gewicht")}, ("alter", "gewicht")),
        ("case-22/bom.csv", {"client": "clinic"}, ("a",)),
        ("case-22/latin.csv", {"client": "clinic"}, ("a",)),
        ("case-22/leaf.json", {}, tuple(f"x[{i}]" for i in range(64))),
        ("case-22/list.json", {"partition": TWO}, ("a",)),
        ("case-22/vec.jsonl", {"client": "user"}, tuple(f"x[{i}]" for i in range(64))),
        ("case-16/arr.parquet", {"client": "writer"}, tuple(f"x[{i},{j}]" for i in range(8) for j in range(8))),
    ],
)
def test_what_is_learnt_from(cases, source, settings, columns):
    assert open_federation(DataSettings(source=source, **settings), cases).examples.columns == columns


def test_latin_letters_are_read(cases):
    federation = open_federation(DataSettings(source="case-22/latin.csv", client="clinic"), cases)
    assert [client.id for client in federation.clients] == ["Bern", "Genève", "Zürich"]


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("case-31/quest.csv", {"client": "hospital"}, r"'chol' of 'quest\.csv' holds numbers, but 'n/a' in row 3"),
        ("case-21/b_question.csv", {"label": "outcome", "partition": TWO}, r"'chol' .* but '\?' in row 3"),
        ("case-22/x.xlsx", {"client": "a"}, r"save it as CSV"),
        ("case-22/d.npz", {"client": "a"}, r"headstart\.from_arrays"),
        ("case-31/dup.csv", {"client": "hospital", "id": "patient_id"}, r"10 names are empty or double"),
    ],
)
def test_what_is_refused_names_the_cause(cases, source, settings, message):
    with pytest.raises(DataError, match=message):
        open_federation(DataSettings(source=source, **settings), cases)


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("case-31/comma.csv", "'comma.csv': read with a decimal comma: 'chol'"),
        ("case-31/dup.csv", "10 of 750 rows of 'dup.csv' are copies of another row"),
    ],
)
def test_what_is_odd_is_noted(cases, source, note):
    assert note in open_federation(DataSettings(source=source, client="hospital"), cases).notes


BOTH = "laid over white"


@pytest.mark.parametrize(
    ("name", "converted"),
    [
        ("L", {}),
        ("RGBA", {"RGBA images with transparency": (BOTH, 300)}),
        ("P", {"P images with transparency": (BOTH, 300)}),
        ("CMYK", {"CMYK images": ("turned to RGB without a colour profile", 300)}),
        (
            "mix",
            {
                "RGBA images with transparency": (BOTH, 75),
                "CMYK images": ("turned to RGB without a colour profile", 75),
            },
        ),
    ],
)
def test_pictures_are_seen_as_a_viewer_shows_them(cases, name, converted):
    grey = open_federation(DataSettings(source="case-11/L.parquet", client="client"), cases).examples.inputs
    federation = open_federation(DataSettings(source=f"case-11/{name}.parquet", client="client"), cases)
    account = federation.account
    assert account is not None
    assert {one.what: (one.how, one.count) for one in account.converted} == converted
    # A palette has few colours, and JPEG's CMYK its own noise: near to the ink on white, not the same.
    apart = np.abs(federation.examples.inputs.astype(int) - grey)
    assert apart.mean() < 6
    assert np.quantile(apart, 0.99) < 40


@pytest.mark.parametrize("name", ["L", "RGBA", "P", "CMYK", "mix"])
def test_ink_is_told_from_its_ground(cases, name):
    federation = open_federation(DataSettings(source=f"case-11/{name}.parquet", client="client"), cases)
    inputs, labels = federation.examples.inputs.mean(1).reshape(300, -1) / 255, federation.examples.labels
    test = np.concatenate([client.test for client in federation.clients])
    train = np.setdiff1d(np.arange(300), test)
    assert LogisticRegression(max_iter=200).fit(inputs[train], labels[train]).score(inputs[test], labels[test]) > 0.93


def test_the_names_of_classes_are_those_of_the_file(cases):
    federation = open_federation(DataSettings(source="case-16/one.parquet", client="writer"), cases)
    assert federation.examples.classes == tuple(f"digit {number}" for number in range(10))
    assert federation.examples.shape == (1, 8, 8)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("name", "column"), [("w", None), ("w2", None), ("w2", "part")])
def test_windows_of_a_recording_stay_together(cases, name, column, seed):
    split = SplitSettings(group="recording", column=column)
    settings = DataSettings(source=f"case-17/{name}.parquet", client="speaker", split=split)
    federation = resplit(open_federation(settings, cases), seed)
    recordings = federation.examples.groups
    for client in federation.clients:
        train, val, test = (set(recordings[part].tolist()) for part in (client.train, client.val, client.test))
        assert not train & val
        assert not (train | val) & test
        assert min(map(len, (train, val, test))) > 5


def test_a_column_of_recordings_is_told(cases):
    notes = open_federation(DataSettings(source="case-17/w.parquet", client="speaker"), cases).notes
    assert [note for note in notes if "data.split.group = 'recording'" in note]


@pytest.mark.parametrize(
    ("source", "settings", "telling"),
    [
        ("case-30/heart.csv", {"client": "hospital", "one_hot": ("sex", "cp"), "missing": "mean"}, ["num"]),
        ("case-26/in.csv", {"client": "clinic", "label": "bool"}, ["pm", "float", "str1"]),
        ("case-26/in.csv", {"client": "clinic", "label": "bool", "columns": ("f0", "f3")}, []),
        ("case-20/in.csv", {"client": "hospital", "label": "num", "missing": "mean"}, []),
        ("case-31/comma.csv", {"client": "hospital"}, []),
        ("case-03/all.csv", {"client": "hospital"}, []),
    ],
)
def test_columns_that_tell_the_label_are_named(cases, source, settings, telling):
    notes = open_federation(DataSettings(source=source, **settings), cases).notes
    assert [note.split("'")[1] for note in notes if "alone tells" in note] == telling


@pytest.mark.parametrize(("standardize", "warns"), [("auto", False), ("client", False), ("none", True)])
def test_columns_far_apart_are_scaled_or_told(cases, standardize, warns):
    for source, settings in (
        ("case-26/in.csv", {"client": "clinic", "label": "bool", "columns": ("f0", "f1", "f2", "f3", "f4", "f5")}),
        ("case-30/heart.csv", {"client": "hospital", "missing": "mean"}),
    ):
        federation = open_federation(DataSettings(source=source, standardize=standardize, **settings), cases)
        assert any(note.startswith(UNSCALED) for note in federation.notes) == warns
