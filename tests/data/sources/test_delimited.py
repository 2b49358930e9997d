"""What a CSV file does not say of itself: encoding, delimiter, and which cells are empty."""

import gzip

import pytest

from headstart.core.errors import DataError
from headstart.data.sources.delimited import read_delimited
from headstart.data.sources.table_format import TableFormat

TEXT = "age,town\n1,Zürich\n2,Genève\n"


def read(tmp_path, content, usual=",", **form):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_delimited(path, TableFormat(**form), usual)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("latin-1"),
        TEXT.replace("\n", "\r\n").encode(),
        gzip.compress(TEXT.encode(), mtime=0),
    ],
    ids=["utf-8", "bom", "utf-16", "latin-1", "windows", "gzip"],
)
def test_every_encoding_gives_the_same_cells(tmp_path, content):
    table, _ = read(tmp_path, content)
    assert table.to_pydict() == {"age": ["1", "2"], "town": ["Zürich", "Genève"]}


def test_a_guessed_encoding_is_noted_and_one_that_is_given_is_not(tmp_path):
    _, notes = read(tmp_path, TEXT.encode("latin-1"))
    assert notes == ("'t.csv': not UTF-8 (byte 0xfc in line 2); read as Western text (cp1252), else say data.encoding",)
    assert read(tmp_path, TEXT.encode("latin-1"), encoding="latin-1")[1] == ()
    table, notes = read(tmp_path, "town\nŁódź\n".encode("cp1250"), encoding="cp1250")
    assert (table.to_pydict(), notes) == ({"town": ["Łódź"]}, ())


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        (b"a,b\n\xff\x81,1\n", {}, r"data\.encoding: 't\.csv' is not UTF-8 \(byte 0xff in line 2\), and no Western"),
        (
            TEXT.encode("latin-1"),
            {"encoding": "utf-8"},
            r"data\.encoding: 't\.csv' is not utf-8 \(byte 0xfc in line 2\)",
        ),
        (b"", {}, r"data\.source: 't\.csv' is empty"),
        (b" \n", {}, r"data\.source: 't\.csv' is empty"),
        (b"a,b\n1,2\n1,2,3\n", {}, r"cannot read 't\.csv' \(.*Expected 2 columns, got 3.*cut by ','.*data\.delimiter"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, content, form, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, content, **form)


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_another_delimiter_is_found_and_noted(tmp_path, sign):
    table, notes = read(tmp_path, f"alter{sign}gewicht\n20{sign}60,5\n21{sign}61,5\n")
    assert table.to_pydict() == {"alter": ["20", "21"], "gewicht": ["60,5", "61,5"]}
    assert len(notes) == 1


def test_a_cell_of_several_lines_at_the_end_of_the_sample_does_not_matter(tmp_path):
    rows = "".join(f'{i};"one\ntwo"\n' for i in range(80))
    assert read(tmp_path, f"a;b\n{rows}")[0].column_names == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ('name,note\na,"x; y"\nb,"z; w"\n', ","),
        ("name,note\na,x;y\nb,z;w\n", ","),
        ("name\tnote\na\tx,y\nb\tz,w\n", "\t"),
        ('name,note\na,"two\nlines"\n', ","),
        ("only\n1\n2\n", ","),
    ],
)
def test_the_usual_delimiter_stays(tmp_path, text, usual):
    table, notes = read(tmp_path, text, usual)
    assert table.column_names in (["name", "note"], ["only"])
    assert notes == ()


def test_a_delimiter_that_is_given_is_taken(tmp_path):
    table, notes = read(tmp_path, "a^b\n1^2\n", delimiter="^")
    assert (table.to_pydict(), notes) == ({"a": ["1"], "b": ["2"]}, ())


def test_only_an_empty_cell_is_missing(tmp_path):
    table, _ = read(tmp_path, 'a,b\nNA,null\nnan,n/a\n,""\n')
    assert table.to_pydict() == {"a": ["NA", "nan", None], "b": ["null", "n/a", None]}
