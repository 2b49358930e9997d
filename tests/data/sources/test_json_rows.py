"""JSON by line, as a list, and as LEAF writes it."""

import json

import pytest

from headstart.core.errors import DataError
from headstart.data.sources import open_source
from headstart.data.sources.json_rows import read_json

ROWS = [{"a": 1, "b": "x"}, {"a": 2.5, "c": True}]
LEAF = {
    "users": ["f1", "f0"],
    "num_samples": [2, 1],
    "user_data": {"f1": {"x": [[0.5, 1], [2, 3]], "y": [1, 0]}, "f0": {"x": [[4, 5]], "y": [1]}},
}


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("t.jsonl", "\n\n".join(map(json.dumps, ROWS)) + "\n"),
        ("t.jsonl", json.dumps(ROWS)),
        ("t.json", json.dumps(ROWS, indent=1)),
        ("t.json", "\n".join(map(json.dumps, ROWS))),
    ],
)
def test_rows_by_line_or_as_a_list(tmp_path, name, text):
    table, is_leaf = read_json(write(tmp_path, name, text))
    assert table.to_pylist() == [{"a": 1.0, "b": "x", "c": None}, {"a": 2.5, "b": None, "c": True}]
    assert not is_leaf


def test_one_line_is_one_row(tmp_path):
    assert read_json(write(tmp_path, "t.jsonl", '{"a": 1}'))[0].to_pylist() == [{"a": 1}]


def test_numbers_and_words_are_text_as_in_a_csv_file(tmp_path):
    table, _ = read_json(write(tmp_path, "t.jsonl", '{"a": 1}\n{"a": "n/a"}\n{"a": true}'))
    assert table.column("a").to_pylist() == ["1", "n/a", "true"]


@pytest.mark.parametrize("indent", [None, 2])
def test_leaf_says_whose_rows_are(tmp_path, indent):
    source = open_source(write(tmp_path, "leaf.json", json.dumps(LEAF, indent=indent)).name, tmp_path)
    assert source.client_column == "user"
    assert source.table.to_pylist() == [
        {"user": "f1", "x": [0.5, 1], "label": 1},
        {"user": "f1", "x": [2, 3], "label": 0},
        {"user": "f0", "x": [4, 5], "label": 1},
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.jsonl", '{"a": 1}\n{"a": 2\n', r"cannot read 't\.jsonl' as JSON \(line 2"),
        ("t.json", "{'a': 1}", r"cannot read 't\.json' as JSON \(line 1"),
        ("t.json", '{"a": {"0": 1, "1": 2}}', r"neither objects, one a row, nor LEAF's.*orient='records'"),
        ("t.json", "[1, 2]", r"neither objects, one a row"),
        ("t.jsonl", '{"a": 1}\n{"a": [1]}', r"column 'a' of 't\.jsonl' holds a list or an object in row 1"),
        ("t.json", '{"user_data": {"u": {"x": [1, 2], "y": [1]}}}', r"user 'u' of 't\.json' has lists of differing"),
        ("t.jsonl", b"\xff\xfe".decode("latin-1"), r"as JSON \(line 1"),
    ],
)
def test_other_json_is_refused_with_its_reason(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        read_json(write(tmp_path, name, text))
