import gzip
import json

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
