"""Columns with a vector, or an array, of numbers per row: as many inputs as it has numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.arrays import Array
from headstart.data.sources.numbers import floats

MOST_INPUTS = 10_000
"""A longer vector is an image or a sound, and no table's column."""


def is_vector(kind: pa.DataType) -> bool:
    """Say whether a column's rows are lists, or lists of lists, of numbers.

    >>> is_vector(pa.list_(pa.float32())), is_vector(pa.list_(pa.string())), is_vector(pa.float32())
    (True, False, False)
    """
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth > 0 and bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def vector_shape(column: pa.ChunkedArray) -> tuple[int, ...] | None:
    """Return the shape that every row has; None where rows differ, or there is none."""
    values, shape = column.drop_null(), []
    while pa.types.is_nested(values.type):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            return None
        shape.append(int(lengths[0]))
        values = pc.list_flatten(values)
    return tuple(shape)


def vector_names(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Name the inputs.

    >>> vector_names("x", (2,)), vector_names("y", (1, 2))
    (('x[0]', 'x[1]'), ('y[0,0]', 'y[0,1]'))
    """
    return tuple(f"{name}[{','.join(map(str, place))}]" for place in np.ndindex(*shape))


def vector_values(column: pa.ChunkedArray) -> Array:
    """Return the numbers of a column of one shape, ``(rows, numbers)`` float64; NaN where there are none."""
    filled, values = np.asarray(column.is_valid().to_numpy(), dtype=bool), column.drop_null()
    while pa.types.is_nested(values.type):
        values = pc.list_flatten(values)
    numbers = floats(values)
    result = np.full((len(column), len(numbers) // max(1, int(filled.sum()))), np.nan)
    result[filled] = numbers.reshape(int(filled.sum()), -1)
    return result
