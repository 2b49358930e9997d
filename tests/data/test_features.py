import numpy as np
import pyarrow as pa
import pytest

from headstart.core.errors import DataError
from headstart.data.choose import choose_columns
from headstart.data.encoding import encoded, fit
from headstart.data.examples import Examples
from headstart.data.features import input_values, near_categories, number_names
from headstart.data.settings import DataSettings
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


def _names(source, columns, one_hot, taken=(), named=None, dates=()):
    chosen = choose_columns(source, columns, one_hot, taken, named or {}, dates=dates)
    return number_names(source, chosen, one_hot)


def _table(source, columns, one_hot=(), dates=()):
    """Return the inputs that are made of all rows."""
    names = _names(source, columns, one_hot, dates=dates)
    values = input_values(source, names, one_hot, dates)
    rows = np.arange(len(source))
    examples = Examples("table", values, rows, list(map(str, rows)), ("a",), names)
    return encoded(examples, source, fit(examples, source, rows, DataSettings(source="t", one_hot=one_hot)))


def test_numbers_pass_and_categories_become_indicators_without_the_first():
    found = _table(TABLE, ("age", "smoker", "pain", "town"), ("pain", "town"))
    assert found.columns == ("age", "smoker", "pain=2", "town=b", "town=c")
    assert found.inputs.dtype == np.float64  # until they are at one scale
    expected = [[50, 1, 1, 1, 0], [np.nan, 0, 0, 0, 0], [np.nan, 1, np.nan, 0, 1]]
    assert np.array_equal(found.inputs, np.array(expected, np.float32), equal_nan=True)


def test_without_columns_every_free_numeric_column_is_an_input():
    assert _names(TABLE, None, (), {"site"}) == ("age", "smoker", "pain")
    assert _names(TABLE, None, ("town",), {"site", "pain"}) == ("age", "smoker", "town")


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
    assert _table(source, ("a=b", "c"), ("c",)).inputs.tolist() == [[1, 0], [2, 1]]


def test_a_category_may_have_an_equals_sign():
    source = Source("x", pa.table({"stage": ["T=1", "T=2", "T=1"]}))
    found = _table(source, ("stage",), ("stage",))
    assert (found.columns, found.inputs.tolist()) == (("stage=T=2",), [[0], [1], [0]])


def test_dates_become_days():
    source = Source("x", pa.table({"age": [40, 50], "admitted": ["2000-01-02", "2000-01-31T12:00"]}))
    found = _table(source, None, dates=("admitted",))
    assert found.inputs.tolist() == [[40, 1], [50, 30.5]]
    with pytest.raises(DataError, match=r"data\.dates: 'admited' is not an input column; did you mean 'admitted'"):
        _names(source, None, (), dates=("admited",))
    with pytest.raises(DataError, match=r"data\.dates: 'admitted' is not an input column; it has another part; name"):
        _names(source, None, (), {"admitted"}, dates=("admitted",))
    assert _names(source, ("admitted",), (), {"admitted"}, dates=("admitted",)) == ("admitted",)


def test_nothing_to_learn_from_and_too_many_categories():
    texts = Source("texts", pa.table({"text": [f"word {i}" for i in range(200)]}))
    with pytest.raises(DataError, match=r"'texts' has no numeric column"):
        _names(texts, None, (), set())
    with pytest.raises(DataError, match=r"data\.one_hot: 'text' has 200 categories"):
        _table(texts, ("text",), ("text",))
