import datetime

import numpy as np
import pyarrow as pa
import pytest

from headstart.core.errors import DataError
from headstart.data.choose import choose_columns
from headstart.data.features import column_names, input_values
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


def _names(source, columns, one_hot, taken=(), named=None):
    return column_names(source, choose_columns(source, columns, one_hot, taken, named or {}), one_hot)


def test_numbers_pass_and_categories_become_indicators_without_the_first():
    names = _names(TABLE, ("age", "smoker", "pain", "town"), ("pain", "town"), set())
    assert names == ("age", "smoker", "pain=2", "town=b", "town=c")
    values = input_values(TABLE, names, ("pain", "town"))
    assert values.dtype == np.float32
    expected = [[50, 1, 1, 1, 0], [np.nan, 0, 0, 0, 0], [np.nan, 1, np.nan, 0, 1]]
    assert np.array_equal(values, np.array(expected, np.float32), equal_nan=True)


def test_without_columns_every_free_numeric_column_is_an_input():
    assert _names(TABLE, None, (), {"site"}) == ("age", "smoker", "pain")
    assert _names(TABLE, None, ("town",), {"site", "pain"}) == ("age", "smoker", "town=b", "town=c")


@pytest.mark.parametrize(
    ("columns", "one_hot", "message"),
    [
        (("age", "dose"), (), r"data\.columns: 'people' has no column 'dose'"),
        (("agee",), (), r"did you mean 'age'"),
        (("age", "town"), (), r"data\.columns: 'town' of 'people' holds string.*data\.one_hot"),
        (("age",), ("pain",), r"data\.one_hot: 'pain' is not an input column"),
    ],
)
def test_a_column_that_cannot_be_used_is_named(columns, one_hot, message):
    with pytest.raises(DataError, match=message):
        _names(TABLE, columns, one_hot, set())


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
        ([datetime.date(2024, 1, 1), None], "dates or times"),
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


def test_vectors_are_as_many_inputs():
    source = _one([[1.0, 2.0], [3.0, None]])
    names = _names(source, None, ())
    assert names == ("age", "x[0]", "x[1]")
    expected = np.array([[50, 1, 2], [50, 3, np.nan]], np.float32)
    assert np.array_equal(input_values(source, names, ()), expected, equal_nan=True)


def test_a_column_name_with_an_equals_sign_is_no_category():
    source = Source("x", pa.table({"a=b": [1.0, 2.0], "c": ["u", "v"]}))
    names = _names(source, ("a=b", "c"), ("c",), set())
    assert input_values(source, names, ("c",)).tolist() == [[1, 0], [2, 1]]


def test_nothing_to_learn_from_and_too_many_categories():
    texts = Source("texts", pa.table({"text": [f"word {i}" for i in range(200)]}))
    with pytest.raises(DataError, match=r"'texts' has no numeric column"):
        _names(texts, None, (), set())
    with pytest.raises(DataError, match=r"data\.one_hot: 'text' has 200 categories"):
        _names(texts, ("text",), ("text",), set())
