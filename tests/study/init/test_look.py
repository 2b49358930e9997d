from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from data.makers import png, write_table
from headstart.core.errors import DataError
from headstart.study.init.look import look
from study.init.samples import found_in, wards, write_classes


def test_finds_identifiers_splits_and_groups(tmp_path: Path) -> None:
    columns = wards(nr=range(240), part=["train", "train", "test"] * 80, patient_id=[i // 3 + 900 for i in range(240)])
    found = found_in(tmp_path, **columns)
    assert (found.rows, set(found.identifiers), found.splits) == (240, {"nr", "patient_id"}, ("part",))
    assert found.groups == ("patient_id",)


def test_words_for_nothing_make_a_column_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x,z,label\n" + "1.5,2,a\nNA,high,b\n3,4,a\n" * 4)
    found = look(str(tmp_path / "x.csv"), Path())
    assert found.missing_words == ("NA",)
    assert (found.by_name["x"].kind, found.by_name["x"].empty) == ("numbers", 4)
    assert (found.by_name["z"].kind, found.by_name["z"].words) == ("names", ("high",))


def test_reads_sizes_and_modes_of_pictures(tmp_path: Path) -> None:
    found = look(str(write_classes(tmp_path / "pets")), Path())
    assert found.pictures is not None
    assert (found.pictures.count, found.pictures.sides[0], found.pictures.broken) == (24, 16, 0)
    assert (found.pictures.sizes, found.pictures.modes) == ({(20, 16): 24}, {"RGB": 24})


def test_counts_pictures_that_cannot_be_read(tmp_path: Path) -> None:
    cells = [{"bytes": b"broken" if i == 1 else png(i), "path": None} for i in range(4)]
    found = found_in(tmp_path, image=[*cells, None], label=[0, 1, 0, 1, 0])
    assert found.pictures is not None
    assert (found.pictures.broken, found.pictures.sizes) == (2, {(8, 8): 3})


def test_looks_at_some_of_many_pictures(tmp_path: Path) -> None:
    cells = [{"bytes": png(i % 256), "path": None} for i in range(700)]
    found = found_in(tmp_path, image=cells, label=[i % 2 for i in range(700)])
    assert found.pictures is not None
    assert (found.pictures.count, found.pictures.looked_at) == (700, 500)


def test_embedded_digits_have_pictures(tmp_path: Path) -> None:
    found = look("digits", tmp_path)
    assert found.pictures is not None
    assert (found.pictures.sizes, found.pictures.modes) == ({(8, 8): 1797}, {"L": 1797})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "DATA: 'empty.csv' is empty"),
        ("header.csv", b"a,b,label\n", "header.csv' has no rows"),
        ("binary.csv", bytes(range(256)) * 4, "headstart init' takes a file as it is"),
        ("x.xlsx", b"PK\x03\x04", "save it as CSV"),
    ],
)
def test_files_without_data_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        look(str(tmp_path / name), Path())


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "none.parquet", label=pa.array([], pa.string()))
    with pytest.raises(DataError, match=r"none\.parquet' has no rows"):
        look(str(path), Path())


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(DataError, match="no image at all"):
        look(str(tmp_path / "notes"), Path())


def test_a_wrong_path_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "wards.csv").write_text("a,label\n1,x\n")
    with pytest.raises(DataError, match=r"did you mean 'wards.csv'"):
        look(str(tmp_path / "ward.csv"), Path())
