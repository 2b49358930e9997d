import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from data.makers import png, write_table
from headstart.core.errors import DataError
from headstart.data.sources import open_source
from headstart.data.sources.tables import source_of_table

ROWS = [{"age": 50.5, "label": "ill"}, {"age": 60.0, "label": "well"}, {"age": None, "label": None}]
CSV = "age,label\n50.5,ill\n60,well\n,\n"


def _write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("people.csv", CSV),
        ("people.CSV", CSV),
        ("people.csv.gz", CSV),
        ("people.tsv", CSV.replace(",", "\t")),
        ("people.jsonl", "\n".join(map(json.dumps, ROWS))),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path, name, text):
    _write(tmp_path / name, text)
    source = open_source(name, tmp_path)
    assert source.texts("label", "x") == ["ill", "well", None]
    assert source.column("age", "x").to_pylist() == [50.5, 60.0, None]
    assert source.name == name


def test_a_folder_of_parquet_files_is_one_table(tmp_path):
    for part in range(3):
        write_table(tmp_path / f"part-{part}.parquet", label=[f"{part}"])
    source = open_source(".", tmp_path)
    assert sorted(source.texts("label", "x")) == ["0", "1", "2"]


def test_hugging_face_names_classes_and_images():
    features = {"photo": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"photo": [b"x"] * 4, "label": [1, 0, -1, None]}).replace_schema_metadata(metadata)
    source = source_of_table(table, "pets", None)
    assert source.image_column == "photo"
    assert source.texts("label", "x") == ["dog", "cat", None, None]


def test_a_class_number_without_a_name_is_an_error():
    metadata = {"huggingface": '{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}'}
    source = source_of_table(pa.table({"label": [0, 2]}).replace_schema_metadata(metadata), "pets", None)
    with pytest.raises(DataError, match=r"data\.label: label 2 in 'pets' is outside its 2 classes"):
        source.texts("label", "data.label")


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ([{"bytes": png(), "path": None}], True),
        ([png()], True),
        (["pictures/cat.JPG"], True),
        ([None, "cat.png"], True),
        (["a sentence."], False),
        ([1.5], False),
    ],
)
def test_an_image_column_is_found_by_its_content(column, found):
    source = source_of_table(pa.table({"what": column}), "x", None)
    assert (source.image_column == "what") is found


def test_numbers_read_as_names_have_no_point():
    source = source_of_table(
        pa.table({"site": [1.0, 2.5, None, float("nan")], "flag": [True, False, None, True]}), "x", None
    )
    assert source.texts("site", "x") == ["1", "2.5", None, None]
    assert source.texts("flag", "x") == ["True", "False", None, "True"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("age,dose,age", r"2 columns of 't\.csv' are called 'age' \(columns 1, 3\); rename"),
        ("age,age,age", r"3 columns of 't\.csv' are called 'age' \(columns 1, 2, 3\)"),
        (",dose,Unnamed: 0", r"2 columns of 't\.csv' are called 'Unnamed: 0' \(columns 1, 3\)"),
    ],
)
def test_columns_that_share_a_name_are_refused(tmp_path, header, message):
    (tmp_path / "t.csv").write_text(f"{header}\n1,2,3\n")
    with pytest.raises(DataError, match=message):
        open_source("t.csv", tmp_path)


def test_a_nameless_column_is_called_as_pandas_would(tmp_path):
    (tmp_path / "t.csv").write_text(",age, \n0,1,2\n")
    assert open_source("t.csv", tmp_path).table.column_names == ["Unnamed: 0", "age", "Unnamed: 2"]


def test_nameless_columns_without_a_value_are_passed_over(tmp_path):
    (tmp_path / "t.csv").write_text("age,label,,\n1,a,,\n2,b,,\n")
    assert open_source("t.csv", tmp_path).table.column_names == ["age", "label"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["a", "b"], pa.string_view()),
        pa.array(["a", "b"], pa.large_string()),
    ],
)
def test_how_text_is_stored_does_not_count(column):
    assert source_of_table(pa.table({"x": column}), "t", None).texts("x", "x") == ["a", "b"]


def test_bytes_that_are_no_pictures_are_no_image_column():
    assert source_of_table(pa.table({"x": [b"plain", b"text"]}), "t", None).image_column is None


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([0.1, 2.0, None], pa.float32()), ["0.1", "2", None]),
        (pa.array([0.1, 2.0, float("nan")], pa.float64()), ["0.1", "2", None]),
        (pa.array([Decimal("1.50"), Decimal("2.00"), None]), ["1.5", "2", None]),
        (pa.array([2**53 + 1, 2, None]), ["9007199254740993", "2", None]),
    ],
)
def test_a_number_is_one_name_however_it_is_stored(column, texts):
    assert source_of_table(pa.table({"x": column}), "t", None).texts("x", "x") == texts


def test_rows_go_into_the_order_of_their_names():
    source = source_of_table(pa.table({"x": [1, 2, 3]}), "t", None)
    assert source.in_order_of(["b", "a/c", "a-c"]).row_numbers.tolist() == [1, 2, 0]
    assert source.in_order_of(["a", "b", "c"]) is source
