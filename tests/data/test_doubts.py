"""An input that alone tells the label, and columns that may say which rows belong together, are noted."""

import numpy as np
import pyarrow as pa
import pytest

from headstart.data import DataSettings, SplitSettings, open_federation
from headstart.data.open import federate
from headstart.data.sources import Source

DRAW = np.random.default_rng(0)
ILL = DRAW.integers(0, 2, 100)
GRADE = ILL * DRAW.integers(1, 4, 100)
CODE = ["pos" if ill else "neg" for ill in ILL]


def noted(**columns):
    table = {"age": DRAW.normal(50, 9, 100), "label": CODE, "site": ["north", "south"] * 50, **columns}
    said = {key: columns.pop(key) for key in ("one_hot", "columns", "missing", "split") if key in columns}
    table = {key: value for key, value in table.items() if key not in said}
    settings = DataSettings(source="wards", client="site", **said)
    notes = federate(Source("wards", pa.table(table)), settings).notes
    return [note.split("'")[1] for note in notes if "alone tells" in note or "belong together" in note]


@pytest.mark.parametrize(
    "columns",
    [
        {"grade": GRADE},
        {"grade": GRADE.astype(float)},
        {"grade": [*GRADE[:-1], None], "missing": "mean"},
        {"grade": ILL.astype(bool)},
        {"grade": [["mild", "none"][1 - ill] for ill in ILL], "one_hot": ("grade",)},
        {"grade": [7 if ill else None for ill in ILL], "missing": "mean"},
    ],
)
def test_a_column_that_tells_the_label_is_noted(columns):
    assert noted(**columns) == ["grade"]


@pytest.mark.parametrize(
    "columns",
    [
        {"dose": ILL * 2.0 + DRAW.random(100)},
        {"ward": DRAW.integers(0, 4, 100)},
        {"grade": GRADE, "columns": ("age",)},
        {"ward": np.arange(100) % 50 * 2 + ILL},
        {"ward": [0] * 100},
        {"sex": np.where(DRAW.random(100) < 0.9, ILL, 1 - ILL)},
        {"once": [int(row < 5) + 1 for row in range(100)]},
    ],
)
def test_other_columns_are_not(columns):
    assert noted(**columns) == []


def test_one_slip_in_many_rows_does_not_hide_a_column():
    labels = np.arange(400) % 2
    table = {"grade": np.where(np.arange(400) == 7, 0, labels), "x": DRAW.normal(size=400), "label": labels + 1}
    source = Source("wards", pa.table({**table, "site": ["north"] * 400}))
    (note,) = [n for n in federate(source, DataSettings(source="wards", client="site")).notes if "alone" in n]
    assert note.startswith("column 'grade' alone tells the label 'label', as each of its 2 values goes with one class")
    assert note.endswith("leave it out by naming the other inputs in data.columns")


RECORDING = [f"r{row // 4}" for row in range(100)]


@pytest.mark.parametrize("name", ["recording", "Recording", "recordings", "patient_id", "PatientID", "subject no"])
def test_a_column_of_recordings_is_noted(name):
    assert noted(**{name: RECORDING}) == [name]


@pytest.mark.parametrize(
    "columns",
    [
        {"patients": ["many"] * 100},
        {"patient_id": [f"p{row}" for row in range(100)]},
        {"outpatient_fee": RECORDING},
        {"ward": RECORDING},
        {"recording": RECORDING, "split": SplitSettings(group="recording")},
    ],
)
def test_other_columns_are_no_recordings(columns):
    assert noted(**columns) == []


@pytest.mark.parametrize(
    ("source", "settings", "columns"),
    [
        ("tabular/heart_disease_4hospitals.parquet", {"client": "hospital", "missing": "mean"}, ["num"]),
        ("tabular/tcga_brca_6regions.parquet", {"client": "region", "label": "E", "missing": "mean"}, []),
        ("tabular/parkinsons_telemonitoring_42subjects.parquet", {"client": "subject", "label": "sex"}, []),
    ],
)
def test_real_tables(real_data, source, settings, columns):
    notes = open_federation(DataSettings(source=source, **settings), real_data).notes
    assert [note.split("'")[1] for note in notes if "alone tells" in note or "belong together" in note] == columns


@pytest.mark.parametrize("labels", [[None, *CODE[1:]], [*CODE[:-2], None, "unclear"]])
def test_rows_without_a_label_and_rare_classes_do_not_hide_a_column(labels):
    assert noted(grade=GRADE, label=labels, missing="drop") == ["grade"]


def test_a_class_of_few_rows_alone_is_no_reason_for_a_note():
    assert noted(ward=[0] * 50 + [1] * 50, label=["neg"] * 98 + ["pos"] * 2) == []


def test_a_column_that_tells_the_label_is_in_the_account():
    table = {"grade": GRADE, "label": CODE, "site": ["north", "south"] * 50}
    found = federate(Source("wards", pa.table(table)), DataSettings(source="wards", client="site"))
    assert [(one.column, one.label) for one in found.account.telling] == [("grade", "label")]
