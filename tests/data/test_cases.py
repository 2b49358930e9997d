"""Files from the field, in the folder HEADSTART_CASES: each is read right, or refused with the right cause."""

import pytest

from headstart.core.errors import DataError
from headstart.data import DataSettings, PartitionSettings, open_federation

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
