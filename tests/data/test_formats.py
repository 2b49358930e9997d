"""One table, however it is written, is one federation; or one refusal."""

import io
import json
import math

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headstart.core.errors import HeadstartError
from headstart.data import DataSettings, open_federation

ROWS = 24


def write_csv(table, path, delimiter):
    buffer = io.BytesIO()
    arrow_csv.write_csv(table, buffer, arrow_csv.WriteOptions(delimiter=delimiter))
    path.write_bytes(buffer.getvalue())


WRITERS = {
    "t.parquet": pq.write_table,
    "t.csv": lambda table, path: write_csv(table, path, ","),
    "semicolons.csv": lambda table, path: write_csv(table, path, ";"),
    "t.tsv": lambda table, path: write_csv(table, path, "\t"),
    "t.jsonl": lambda table, path: path.write_text("\n".join(map(json.dumps, table.to_pylist()))),
    "t.json": lambda table, path: path.write_text(json.dumps(table.to_pylist())),
}

WORDS = st.text(st.sampled_from("abcÄß ,;'\"/.0127-\n"), min_size=1, max_size=6)
HALVES = st.integers(-200, 200).map(lambda i: i / 8)
MISSING = ("NA",)


def columns(cells, kinds):
    """Draw a column: its cells, some of them empty, and the type that stores it."""
    return st.tuples(st.lists(cells, min_size=ROWS, max_size=ROWS), st.sampled_from(kinds)).map(
        lambda one: pa.array(*one)
    )


NUMBERS = st.one_of(
    columns(st.integers(-100, 100), [pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.int8()]),
    columns(st.none() | st.integers(0, 100), [pa.int32(), pa.int64(), pa.float64(), pa.uint16()]),
    columns(HALVES, [pa.float32(), pa.float64()]),
    columns(st.floats(-1e6, 1e6, width=32), [pa.float32(), pa.float64()]),
    columns(st.booleans(), [pa.bool_()]),
    columns(st.integers(0, 99).map(str), [pa.string(), pa.large_string()]),
    columns(st.sampled_from(["1.5", "2", "NA"]), [pa.string()]),
)
NAMES = st.one_of(
    columns(st.sampled_from(["north", "Süd, 3/B", "../x", "a;b"]), [pa.string(), pa.large_string()]),
    columns(st.integers(1, 3), [pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.int16()]),
    columns(st.booleans(), [pa.bool_()]),
    columns(st.sampled_from(["007", "010", "n/a", "nan"]), [pa.string()]),
    columns(st.sampled_from(["2024-09-12", "2023-01-31"]), [pa.string(), pa.large_string()]),
).flatmap(lambda column: st.sampled_from([column, column.dictionary_encode()]))
TABLES = st.builds(
    lambda x, y, town, label, site: pa.table(
        {
            "x": x,
            "y": y,
            "town": town,
            "label": label,
            "site": site,
            "code": [f"r{i:02d}" for i in range(ROWS)],
            "z": pa.array([i / 3 for i in range(ROWS)]),
        }
    ),
    NUMBERS,
    NUMBERS,
    columns(st.sampled_from(["", "A", "b c", "nan", "null"]) | WORDS | st.none(), [pa.string(), pa.large_string()]),
    NAMES,
    NAMES,
)


def outcome(folder, name):
    """Return all that a federation is, or why there is none, without the file's name."""
    asked = DataSettings(
        source=name,
        client="site",
        id="code",
        one_hot=("town",),
        missing="mean",
        missing_words=MISSING,
    )
    try:
        found = open_federation(asked, folder)
    except HeadstartError as error:
        return str(error).replace(name, "FILE")
    return (
        found.examples.columns,
        found.examples.classes,
        found.examples.labels.tolist(),
        [(client.id, *(part.tolist() for part in (client.train, client.val, client.test))) for client in found.clients],
        found.key,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("formats")


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"t.parquet"}))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES)
def test_however_a_table_is_written_it_is_the_same_federation(folder, name, table):
    for each in ("t.parquet", name):
        WRITERS[each](table, folder / each)
    assert outcome(folder, name) == outcome(folder, "t.parquet")


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_most_of_these_tables_are_federations(folder, name):
    table = pa.table(
        {
            "x": pa.array([i * 7 % 10 for i in range(ROWS)], pa.int32()),
            "town": ["A", "", "b c", None] * (ROWS // 4),
            "label": pa.array([i % 2 for i in range(ROWS)], pa.float32()),
            "site": pa.array(["../x", "north"] * (ROWS // 2)).dictionary_encode(),
            "code": [f"r{i:02d}" for i in range(ROWS)],
        }
    )
    WRITERS[name](table, folder / name)
    names, classes, labels, clients, _ = outcome(folder, name)
    assert names == ("x", "town=b c")
    assert classes == ("0", "1")
    assert [client[0] for client in clients] == ["../x", "north"]
    assert math.isclose(sum(labels), ROWS / 2)
