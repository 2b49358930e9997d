"""What the command line says of methods and keys is what the code declares."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from headstart.cli.methods import show_keys, show_method, show_methods
from headstart.cli.reference.keys import TABLES, keys_of
from headstart.core.errors import SettingError
from headstart.study.written.arms import METHODS

NARROW = 60


def said(show: object, *arguments: object) -> str:
    """Return what is printed on a narrow terminal."""
    assert callable(show)
    file = io.StringIO()
    show(Console(file=file, width=NARROW), *arguments)
    assert max(map(len, file.getvalue().splitlines())) <= NARROW
    return file.getvalue()


def test_every_method_is_listed() -> None:
    text = said(show_methods)
    assert [name for table in METHODS.values() for name in table if name not in text] == []


@pytest.mark.parametrize("name", ["pretrained", "fedprox", "ncm", "lp_ft"])
def test_a_method_is_shown_whole(name: str) -> None:
    text = said(show_method, name)
    entry = next(table[name] for table in METHODS.values() if name in table)
    assert "Differs from the paper" in text
    assert "https://" in text
    assert [key for key in entry.settings() if key not in text] == []


@pytest.mark.parametrize("table", TABLES)
def test_every_key_of_a_table_is_shown(table: str) -> None:
    text = said(show_keys, table)
    assert [key.name for key in keys_of(TABLES[table]) if key.name not in text] == []


def test_without_a_name_the_tables_are_named() -> None:
    text = said(show_keys, None)
    assert [name for name in TABLES if name != "file" and name not in text] == []


def test_what_is_not_there_has_one_error() -> None:
    with pytest.raises(SettingError, match="unknown method, received 'fedprx'; did you mean 'fedprox'"):
        said(show_method, "fedprx")
    with pytest.raises(SettingError, match=r"unknown table, received '\[dat\]'; did you mean 'data'"):
        said(show_keys, "[dat]")
