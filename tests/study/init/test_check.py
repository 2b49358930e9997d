from __future__ import annotations

from pathlib import Path
from typing import Any

from data.makers import write_table
from headstart.core.progress import Silent
from headstart.study.init.check import Checked, checked
from headstart.study.init.draft import Draft, Line
from study.init.samples import ROWS, wards, write_classes


def tried(folder: Path, *more: Line, split_by: tuple[Line, ...] = (), **columns: Any) -> Checked:
    """Try a draft for a table of these columns."""
    write_table(folder / "x.parquet", **columns)
    data = (Line("source", "x.parquet"), Line("label", "label"), Line("client", "hospital"), *more)
    tables = {"": (Line("name", "x"),), "data": data, "data.split": split_by, "model": (Line("backbone", "linear"),)}
    return checked(Draft((), tables), folder, Silent())


def test_a_draft_that_opens_stays(tmp_path: Path) -> None:
    found = tried(tmp_path, **wards())
    assert (found.mended, found.question) == ((), "")
    assert found.federation is not None
    assert len(found.federation.clients) == 3


def test_rows_with_empty_cells_are_left_out(tmp_path: Path) -> None:
    found = tried(tmp_path, **wards(label=[None, *(["a", "b"] * 120)[1:]]))
    assert (found.mended, found.question) == (("rows with an empty cell are left out (data.missing)",), "")
    line = found.draft.find("data.missing")
    assert line is not None
    assert line.value == "drop"


def test_a_split_that_parts_groups_is_switched_off(tmp_path: Path) -> None:
    columns = wards(patient=[i // 6 for i in range(ROWS)], split=["train", "test"] * 120)
    split = (Line("column", "split"), Line("group", "patient"))
    found = tried(tmp_path, split_by=split, **columns)
    assert found.question == ""
    assert found.draft.find("data.split.column") is None
    assert found.draft.find("data.split.group") == Line("group", "patient")
    assert len(found.mended) == 1


def test_a_name_that_is_there_twice_names_no_rows(tmp_path: Path) -> None:
    found = tried(tmp_path, Line("id", "nr"), **wards(nr=["a"] * ROWS))
    assert (found.question, found.draft.find("data.id")) == ("", None)


def test_what_nothing_mends_is_an_open_question(tmp_path: Path) -> None:
    found = tried(tmp_path, **wards(label=["ill"] * ROWS))
    assert found.federation is None
    assert "1 class" in found.question
    assert found.draft.head == (f"OPEN QUESTION: {found.question}",)


def test_a_pool_that_cannot_be_read_is_switched_off(tmp_path: Path) -> None:
    write_classes(tmp_path / "public", each=2)
    write_table(tmp_path / "x.parquet", **wards())
    data = (Line("source", "x.parquet"), Line("client", "hospital"))
    tables = {
        "": (Line("name", "x"),),
        "data": data,
        "data.central": (Line("source", "public"),),
        "model": (Line("backbone", "linear"),),
    }
    found = checked(Draft((), tables), tmp_path, Silent())
    assert (found.question, found.draft.find("data.central.source")) == ("", None)
