"""Files of other kinds: what is said of them, by ending and by content."""

import pytest

from headstart.core.errors import DataError
from headstart.data.sources import open_source


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("t.xlsx", r"save it as CSV"),
        ("t.xls", r"save it as CSV"),
        ("t.npz", r"headstart\.from_arrays"),
        ("t.npy", r"headstart\.from_arrays"),
        ("t.feather", r"write it as Parquet"),
        ("t.zip", r"unpack it"),
        ("t.txt", r"call it \.csv or \.tsv"),
        ("t.parqet", r"did you mean '\.parquet'"),
    ],
)
def test_an_ending_that_no_reader_knows_has_a_way_out(tmp_path, name, way_out):
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(DataError, match=way_out):
        open_source(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("t.csv", b"PK\x03\x04...", "an Excel workbook"),
        ("t.csv", b"PAR1...", "a Parquet file"),
        ("t.csv", b"\n<!DOCTYPE html><html>", "a web page"),
        ("t.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("t.jsonl", b"SQLite format 3\0", "an SQLite data base"),
    ],
)
def test_content_of_another_kind_is_told(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"'{name}' is .*{kind}, whatever its ending says"):
        open_source(name, tmp_path)
