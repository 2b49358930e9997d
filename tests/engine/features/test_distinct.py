"""Rows of equal content are found, and each result goes to all its places."""

import numpy as np
import pytest

from headstart.core.arrays import Array
from headstart.core.content import row_hashes
from headstart.engine.features.distinct import Distinct, distinct_rows, every_row


def fill(found: Distinct, inputs: Array, batch: int) -> Array:
    """Do what a pass does, the computation being the identity."""
    target = np.full_like(inputs, 99)
    for start in range(0, len(found), batch):
        stop = min(start + batch, len(found))
        rows, contents = found.places(start, stop)
        target[rows] = inputs[found.first[start:stop]][contents]
    return target


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_every_row_gets_its_own_content(batch: int) -> None:
    inputs = np.random.default_rng(0).integers(0, 3, size=(50, 3), dtype=np.uint8)
    found = distinct_rows(row_hashes(inputs))
    assert len(found) == len(np.unique(inputs, axis=0)) < 50
    assert np.array_equal(fill(found, inputs, batch), inputs)


def test_contents_come_in_order_of_their_first_rows() -> None:
    found = distinct_rows(row_hashes(np.array([[5], [5], [2], [5], [9], [2]])))
    assert found.first.tolist() == [0, 2, 4]


def test_without_equal_rows_there_is_nothing_to_rearrange() -> None:
    found = distinct_rows(row_hashes(np.arange(4, dtype=np.float32)[::-1, None]))
    assert found.first.tolist() == found.rows.tolist() == every_row(4).first.tolist()


def test_rows_need_not_lie_side_by_side() -> None:
    inputs = np.arange(12).reshape(3, 4).T % 2
    assert (
        distinct_rows(row_hashes(inputs)).first.tolist()
        == distinct_rows(row_hashes(inputs.copy())).first.tolist()
        == [0, 1]
    )


def test_no_rows() -> None:
    assert len(distinct_rows(row_hashes(np.empty((0, 3))))) == 0
