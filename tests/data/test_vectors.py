"""A column with a vector per row."""

import numpy as np
import pyarrow as pa
import pytest

from headstart.data.vectors import vector_names, vector_shape, vector_values


def column(rows, kind=None):
    return pa.chunked_array([pa.array(rows, kind)])


@pytest.mark.parametrize(
    ("rows", "shape"),
    [
        ([[1, 2], [3, 4]], (2,)),
        ([[1, 2], None], (2,)),
        ([[[1, 2, 3]], [[4, 5, 6]]], (1, 3)),
        ([[1, 2], [3]], None),
        ([[[1], [2]], [[3], None]], None),
        ([[[1, 2], [3]]], None),
    ],
)
def test_the_shape_that_all_rows_have(rows, shape):
    assert vector_shape(column(rows)) == shape


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.int8()), pa.list_(pa.float64(), 2), pa.list_(pa.int64())]
)
def test_every_kind_of_list_gives_its_numbers(kind):
    values = vector_values(column([[1, 0], None, [0, 1]], kind))
    assert np.array_equal(values, [[1, 0], [np.nan, np.nan], [0, 1]], equal_nan=True)


def test_numbers_lie_as_their_names_say():
    names, values = vector_names("x", (2, 2)), vector_values(column([[[1, 2], [3, 4]]]))
    assert dict(zip(names, values[0], strict=True)) == {"x[0,0]": 1, "x[0,1]": 2, "x[1,0]": 3, "x[1,1]": 4}
