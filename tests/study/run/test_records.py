from __future__ import annotations

import math
from pathlib import Path

import pytest
from pyarrow import parquet

from headstart.core.files import read_json_lines, write_json_lines
from headstart.study.run.records import Records, to_array, versions, write_clients


def line(arm: str, seed: int, **more: object) -> dict[str, object]:
    return {"arm": arm, "seed": seed, **more}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "records.jsonl"


def test_what_is_put_is_read_back_in_order(path: Path) -> None:
    records = Records(path)
    for arm, seed in (("b", 1), ("a", 0)):
        records.put(line(arm, seed))
    again = Records(path)
    assert again.all() == [line("b", 1), line("a", 0)]
    assert again.get("a", 0) == line("a", 0)
    assert again.get("a", 1) is None


def test_a_new_record_of_a_run_replaces_the_old(path: Path) -> None:
    records = Records(path)
    for value in (1, 2):
        records.put(line("a", 0, value=value))
    records.put(line("b", 0))
    assert read_json_lines(path) == [line("a", 0, value=2), line("b", 0)]


def test_of_two_lines_for_a_run_the_last_counts(path: Path) -> None:
    path.parent.mkdir()
    write_json_lines(path, [line("a", 0, value=value) for value in (1, 2)])
    assert Records(path).all() == [line("a", 0, value=2)]


def test_a_torn_line_does_not_count_and_is_cut_off(path: Path) -> None:
    Records(path).put(line("a", 0))
    with path.open("a") as file:
        file.write('{"arm": "b", "se')
    records = Records(path)
    assert records.all() == [line("a", 0)]
    records.put(line("c", 0))
    assert Records(path).all() == [line("a", 0), line("c", 0)]


def test_keep_only_takes_the_others_out(path: Path) -> None:
    records = Records(path)
    for seed in range(3):
        records.put(line("a", seed))
    records.keep_only([("a", 2), ("a", 0), ("b", 0)])
    assert {(one["arm"], one["seed"]) for one in Records(path).all()} == {("a", 0), ("a", 2)}


def test_keeping_all_does_not_touch_the_file(path: Path) -> None:
    records = Records(path)
    records.put(line("a", 0))
    stamp = path.stat()
    records.keep_only([("a", 0)])
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (stamp.st_mtime_ns, stamp.st_ino)


def test_a_number_that_json_cannot_say_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Records(path).put(line("a", 0, value=math.nan))


def test_missing_values_become_nan() -> None:
    assert to_array([1.0, None]).tolist()[0] == 1.0
    assert math.isnan(to_array([None])[0])


def test_an_empty_client_table_has_its_columns(tmp_path: Path) -> None:
    write_clients(tmp_path / "clients.parquet", [])
    table = parquet.read_table(tmp_path / "clients.parquet")
    assert table.num_rows == 0
    assert table.column_names == ["arm", "seed", "client", "seen", "split", "metric", "value"]


def test_versions_name_what_numbers_depend_on() -> None:
    assert all(versions()[name] for name in ("headstart", "torch", "numpy"))
