"""Columns of text become numbers where every filled cell is one; nothing else is guessed."""

import pyarrow as pa
import pytest

from headstart.core.errors import DataError
from headstart.data.sources.numbers import ambiguous_cell, first_code, typed_table, words_in
from headstart.data.sources.table_format import TableFormat

AUTO, COMMA, POINT = TableFormat(), TableFormat(decimal=","), TableFormat(decimal=".")


def typed(cells, form=AUTO):
    return typed_table(pa.table({"x": pa.array(cells, pa.string())}), form, "t.csv")[0].column("x")


@pytest.mark.parametrize(
    ("cells", "form", "numbers"),
    [
        (["1", "-2", None, "+3"], AUTO, [1, -2, None, 3]),
        (["1.5", ".5", "2.", "1e3", " 7 "], AUTO, [1.5, 0.5, 2.0, 1000.0, 7.0]),
        (["1", "", "  ", "2"], AUTO, [1, None, None, 2]),
        (["inf", "1"], AUTO, [float("inf"), 1.0]),
        (["60,5", "61", "0,125"], AUTO, [60.5, 61.0, 0.125]),
        (["1.234,5", "7,25"], AUTO, [1234.5, 7.25]),
        (["1,234.5", "7.25"], AUTO, [1234.5, 7.25]),
        (["1,234,567", "12"], AUTO, [1234567, 12]),
        (["1,234", "2,500"], COMMA, [1.234, 2.5]),
        (["1,234", "2,500"], POINT, [1234, 2500]),
        (["1.234", "2.500"], COMMA, [1234, 2500]),
        (["63.0", "1.25"], COMMA, [63.0, 1.25]),
        (["1", "NA", "2"], TableFormat(missing_words=("NA",)), [1, None, 2]),
        (["9007199254740993", "1"], AUTO, [9007199254740993, 1]),
    ],
)
def test_numbers(cells, form, numbers):
    assert typed(cells, form).to_pylist() == numbers


@pytest.mark.parametrize("cells", [["true", "False", None], ["TRUE", "true"]])
def test_truth_values(cells):
    assert pa.types.is_boolean(typed(cells).type)


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "n/a"],
        ["NA", "nan", "null"],
        ["nan", "1.5"],
        ["007", "12"],
        ["0x1F", "1"],
        ["1_000", "2"],
        ["1,234", "2,500"],
        ["12345678901234567890", "1"],
        ["2024-09-12", "2024-01-01"],
        ["yes", "no"],
        [None, None],
        ["", " "],
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_what_stays_text_stays_as_it_was_written(cells, kind):
    table = pa.table({"x": pa.array(cells, kind)})
    assert typed_table(table, AUTO, "t")[0].equals(table)


def test_a_word_behind_the_sample_is_seen():
    assert typed([*["1"] * 500, "n/a"]).to_pylist()[-1] == "n/a"


@pytest.mark.parametrize(
    ("cells", "words", "row", "count"),
    [
        (["1", "?", "2.5", "?"], ("?",), 1, 2),
        (["1", "2", "3", "n/a", "NA", "3", "4", "-", "x", "9", "8"], ("n/a", "NA", "-"), 3, 4),
        (["60,5", "k.A.", "61"], ("k.A.",), 1, 1),
    ],
)
def test_words_among_numbers_are_named_with_their_row(cells, words, row, count):
    found = words_in(pa.chunked_array([cells]), AUTO)
    assert (found.words, found.row, found.count) == (words, row, count)


@pytest.mark.parametrize("cells", [["a", "b", "1"], ["1", "2"], ["NA", "1"]])
def test_a_column_of_words_or_of_numbers_has_no_words_among_numbers(cells):
    assert words_in(pa.chunked_array([cells]), TableFormat(missing_words=("NA",))) is None


@pytest.mark.parametrize(
    ("cells", "found"),
    [(["12", "1,234"], ("1,234", 1)), (["1,25", "1,234"], None), (["0,125"], None), (["a,b"], None)],
)
def test_a_comma_before_three_digits_may_mean_two_things(cells, found):
    assert ambiguous_cell(pa.chunked_array([cells]), AUTO) == found
    assert ambiguous_cell(pa.chunked_array([cells]), COMMA) is None


@pytest.mark.parametrize(("cells", "code"), [(["12", "007"], "007"), (["12", "7"], None), (["x7", "007"], None)])
def test_codes_are_named(cells, code):
    assert first_code(pa.chunked_array([cells])) == code


def test_decimal_commas_are_said():
    table = pa.table({"weight": ["60,5", "61,5"], "name": ["a", "b"]})
    assert typed_table(table, AUTO, "t.csv")[1] == ("'t.csv': read with a decimal comma: 'weight'",)
    assert typed_table(table, COMMA, "t.csv")[1] == ()


def test_points_beside_decimal_commas_are_not_guessed():
    table = pa.table({"weight": ["60,5", "61,5"], "income": ["900", "1.234"]})
    with pytest.raises(
        DataError, match=r"data\.decimal: column 'income' of 't\.csv' holds '1\.234' in row 1, and 'weight'"
    ):
        typed_table(table, AUTO, "t.csv")
    assert typed_table(table, COMMA, "t.csv")[0].column("income").to_pylist() == [900, 1234]
