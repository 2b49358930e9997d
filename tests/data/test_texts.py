from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.core.errors import DataError
from headstart.core.ragged import Ragged
from headstart.data import CentralSettings, DataSettings, from_arrays, open_federation
from headstart.data.near_duplicates import near_duplicates


def _write(folder: Path, **columns: object) -> DataSettings:
    texts = [f"text {i} of the clinic" for i in range(40)]
    table = {"text": texts, "label": ["ill", "well"] * 20, "site": ["north", "south"] * 20, **columns}
    pq.write_table(pa.table(table), folder / "notes.parquet")
    return DataSettings(source="notes.parquet", text="text", client="site")


def test_texts_are_stored_as_bytes(tmp_path: Path) -> None:
    settings = _write(tmp_path, text=["größe 中 " + str(i) for i in range(40)])
    federation = open_federation(settings, tmp_path)
    assert (federation.examples.kind, federation.examples.shape) == ("text", ())
    assert sorted(federation.examples.inputs.texts()) == sorted(f"größe 中 {i}" for i in range(40))


def test_csv_and_json_lines_too(tmp_path: Path) -> None:
    rows = [{"text": f"note {i}", "label": i % 2, "site": "ab"[i % 2]} for i in range(20)]
    import json

    (tmp_path / "n.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "n.csv").write_text(
        "text,label,site\n" + "\n".join(f"note {i},{i % 2},{'ab'[i % 2]}" for i in range(20))
    )
    keys = {
        tuple(
            sorted(
                open_federation(DataSettings(source=name, text="text", client="site"), tmp_path).examples.inputs.texts()
            )
        )
        for name in ("n.jsonl", "n.csv")
    }
    assert len(keys) == 1


def test_a_central_pool_of_texts(tmp_path: Path) -> None:
    settings = _write(tmp_path)
    pq.write_table(
        pa.table({"text": ["text 0 of the clinic", "another"], "label": ["ill", "well"]}), tmp_path / "c.parquet"
    )
    from dataclasses import replace

    federation = open_federation(replace(settings, central=CentralSettings(source="c.parquet")), tmp_path)
    assert federation.central is not None
    assert list(federation.central.inputs.texts()) == ["another"]


def test_empty_texts_may_be_left_out(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = _write(tmp_path, text=[None, "  ", *(f"note {i}" for i in range(38))])
    federation = open_federation(replace(settings, missing="drop"), tmp_path)
    assert len(federation.examples) == 38
    assert any(
        "2 of 40 rows of 'notes.parquet' are left out: 'text' is empty (rows 0, 1)" in n for n in federation.notes
    )


BAD = {
    "empty text": (
        {"text": ["", *["note"] * 39]},
        r"data\.missing: 1 texts of 'notes\.parquet' are empty, first in row 0",
    ),
    "no text": (
        {"text": list(range(40))},
        r"data\.text: must be a column of texts, received 'text'.* which holds int64",
    ),
    "not UTF-8": (
        {"text": pa.array([b"caf\xe9", *[b"note"] * 39], type=pa.binary())},
        r"data\.text: must be UTF-8, received byte 0xe9 at position 3 in row 0 of 'notes\.parquet'",
    ),
    "labels as floats": (
        {"label": [0.25, *[1.0] * 39]},
        r"data\.label: must be a column of classes, received 0\.25 in row 0 of column 'label'",
    ),
}


@pytest.mark.parametrize(("columns", "message"), BAD.values(), ids=BAD.keys())
def test_bad_texts_are_one_line_that_names_them(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_federation(_write(tmp_path, **columns), tmp_path)


def test_a_column_of_texts_that_is_not_there(tmp_path: Path) -> None:
    settings = _write(tmp_path)
    with pytest.raises(DataError, match=r"data\.text: 'notes\.parquet' has no column 'txt'; did you mean 'text'"):
        open_federation(DataSettings(source=settings.source, text="txt", client="site"), tmp_path)


def test_a_csv_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_bytes(b"text,label,site\ncaf\xe9,0,a\n")
    with pytest.raises(DataError, match=r"n\.csv"):
        open_federation(DataSettings(source="n.csv", text="text", client="site"), tmp_path)


def test_near_duplicates_are_found_among_many() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 30000, size=int(size)) for size in rng.integers(3, 120, size=500)]
    copy, other = rows[10][:100].copy(), rows[11]
    rows[10] = copy = rng.integers(0, 30000, size=100)
    nearly = copy.copy()
    nearly[50] = 7
    half = np.concatenate([copy[:50], rng.integers(0, 30000, size=50)])
    rows += [nearly, half, other[:2]]
    assert near_duplicates(Ragged.of(rows)).tolist() == [[10, 500]]


def test_texts_too_short_to_compare() -> None:
    assert near_duplicates(Ragged.of([np.arange(2), np.arange(2)])).shape == (0, 2)


def test_texts_in_python() -> None:
    texts = [f"note {i}" for i in range(20)]
    federation = from_arrays(texts, np.arange(20) % 2, clients=["a", "b"] * 10, central=(["another", "more"], [0, 1]))
    assert federation.examples.kind == "text"
    assert sorted(federation.examples.inputs.texts()) == sorted(texts)
    assert federation.central is not None
    assert list(federation.central.inputs.texts()) == ["another", "more"]
