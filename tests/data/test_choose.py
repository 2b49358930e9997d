"""Which columns become inputs, and what is said of the others."""

import datetime

import pyarrow as pa
import pytest

from headstart.core.errors import DataError
from headstart.data.choose import choose_columns
from headstart.data.sources import Source, TableFormat

TABLE = Source(
    "people",
    pa.table(
        {
            "age": [50.0, None, float("inf")],
            "smoker": [True, False, True],
            "pain": [2.0, 1.0, None],
            "town": ["b", "a", "c"],
            "site": [1, 2, 1],
        }
    ),
)


def test_identifiers_and_text_are_left_with_their_reasons():
    named = {"age": "an identifier"}
    chosen = choose_columns(TABLE, None, (), {"site"}, named)
    assert [(one.name, one.why) for one in chosen.dropped] == [
        ("age", "an identifier"),
        ("town", "holds string, not numbers; data.one_hot makes inputs of categories"),
    ]
    assert chosen.findings(TABLE)[-1] == "columns of numbers of 'people' that are no inputs: 'age' (an identifier)"
    assert choose_columns(TABLE, ("age",), (), (), named).columns == ("age",)


def _one(values, **form):
    return Source("t", pa.table({"age": [50.0] * len(values), "x": values}), form=TableFormat(**form))


@pytest.mark.parametrize("columns", [None, ("age", "x")])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["1", "n/a", "2"],
            r"data\.columns: 'x' of 't' holds numbers, but 'n/a' in row 1 .*missing_words = \[\"n/a\"\]",
        ),
        (["1", "2", "?", "-"], r"'\?' in row 2 \(no numbers: 2 of 4 cells\).*\[\"\?\", \"-\"\]"),
        (["1,234", "900"], r"data\.decimal: column 'x' of 't' holds '1,234' in row 0, which may be meant in two ways"),
    ],
)
def test_numbers_with_a_few_words_do_not_vanish(values, message, columns):
    with pytest.raises(DataError, match=message):
        choose_columns(_one(values), columns, (), (), {})


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["007", "012"], "codes with leading zeros, such as '007'; data.one_hot"),
        ([None, None], "no value at all"),
        ([float("nan"), None], "no value at all"),
        ([[1.0], [1.0, 2.0]], "lists of differing or too great length"),
        ([datetime.date(2024, 1, 1), None], "holds dates (date32[day]); data.dates makes days of them"),
        (["2024-01-01", "2.3.2024"], "holds dates as text; data.dates makes days of them"),
        ([["a"], ["b"]], "holds list<item: string>, not numbers"),
    ],
)
def test_other_columns_are_left_with_a_reason(values, why):
    (dropped,) = choose_columns(_one(values), None, (), (), {}).dropped
    assert why in dropped.why


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["007", "012"], r"holds string, not numbers, such as '007'; add it to data\.one_hot"),
        ([[1.0], [1.0, 2.0]], r"holds list.*make its lists one length"),
        ([None, None], r"has no value at all; leave it out"),
    ],
)
def test_a_column_that_was_asked_for_says_why_it_is_no_input(values, message):
    with pytest.raises(DataError, match=message):
        choose_columns(_one(values), ("x",), (), (), {})
