"""Every promise of the security page stands beside a test of it, and the test is there."""

from __future__ import annotations

import ast
import re

import pytest

from docs.pages import DOCS, ROOT

_TEST = re.compile(r"`((?:edge/)?tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"^\| (?!---)(.+) \|$", re.MULTILINE)


def rows() -> list[str]:
    """Return the rows of the page's tables whose last column names tests."""
    tables = re.split(r"\n\n", (DOCS / "security.md").read_text())
    return [row for table in tables if "test |" in table.partition("\n")[0] for row in _ROW.findall(table)[1:]]


def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_page_has_rows() -> None:
    assert len(rows()) > 20


@pytest.mark.parametrize("row", rows())
def test_every_row_names_a_test_that_is_there(row: str) -> None:
    named = _TEST.findall(row.rpartition(" | ")[2])
    assert named, "name a test, such as `tests/sites/test_gate.py::test_it`"
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert name in names_in(path), f"{path} has no {name}"
