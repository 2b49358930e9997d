import numpy as np
import pyarrow as pa
import pytest

from headstart.core.errors import DataError
from headstart.data.choose import choose_columns
from headstart.data.features import column_names, input_values, near_categories
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


def _one(values, **form):
    return Source("t", pa.table({"age": [50.0] * len(values), "x": values}), form=TableFormat(**form))


def test_vectors_are_as_many_inputs():
    source = _one([[1.0, 2.0], [3.0, None]])
    names = _names(source, None, ())
    assert names == ("age", "x[0]", "x[1]")
    expected = np.array([[50, 1, 2], [50, 3, np.nan]], np.float32)
    assert np.array_equal(input_values(source, names, ()), expected, equal_nan=True)


def test_categories_of_nearly_one_name_are_noted():
    source = Source("t", pa.table({"town": ["Ulm", "ulm", "Bonn"], "sex": ["f", "m", "f"]}))
    assert near_categories(source, ("town", "sex")) == (
        "categories of 'town' whose names are nearly equal, and may be one: 'Ulm' and 'ulm'",
    )


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
