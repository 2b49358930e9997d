from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.errors import DataError
from headstart.study.init.draft import Draft, Line, Value
from headstart.study.init.write import toml, written

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(TEXT),
    st.dictionaries(TEXT, st.lists(TEXT)),
)


@given(VALUES, TEXT)
def test_what_is_written_is_read_as_it_was(value: Value, why: str) -> None:
    draft = Draft(
        (why,),
        {"": (Line("name", "x", why),), "data": (Line("here", value, why), Line("off", value, why, is_on=False))},
    )
    assert tomllib.loads(written(draft)) == {"name": "x", "data": {"here": value}}


def test_signs_that_a_terminal_obeys_are_escaped() -> None:
    assert toml("\x1b[2J\u202e\x7f\U000e0041") == '"\\u001b[2J\\u202e\\u007f\\U000e0041"'


def test_half_of_a_surrogate_is_refused() -> None:
    with pytest.raises(DataError, match="rename it"):
        toml("a\udc80")


def test_a_table_without_a_line_that_holds_is_a_comment() -> None:
    text = written(Draft((), {"": (Line("name", "x"),), "budget": (Line("minutes", 30, "at most", is_on=False),)}))
    assert text == 'name = "x"\n\n# [budget]\n# minutes = 30    # at most\n'


def test_long_reasons_stand_above_and_long_lists_are_folded() -> None:
    names = [f"column {number}" for number in range(30)]
    text = written(Draft((), {"": (Line("columns", names, "all"), Line("name", "x", "why " * 40))}))
    assert tomllib.loads(text) == {"columns": names, "name": "x"}
    assert text.startswith("# all\ncolumns = [\n")
    assert max(map(len, text.splitlines())) <= 110


def test_a_folded_list_that_is_off_is_a_comment() -> None:
    names = [f"column {number}" for number in range(30)]
    assert tomllib.loads(written(Draft((), {"": (Line("columns", names, is_on=False),)}))) == {}


def test_a_draft_changes_line_by_line() -> None:
    draft = Draft((), {"data": (Line("id", "a"), Line("id", "b", is_on=False))})
    assert draft.without("data.id", "double").find("data.id") is None
    assert draft.put("data.split.group", Line("group", "c")).find("data.split.group") == Line("group", "c")
    assert draft.without("data.label", "none") == draft
