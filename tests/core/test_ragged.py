import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.ragged import Ragged


@given(st.lists(st.text(max_size=20), min_size=1, max_size=12), st.data())
def test_rows_come_back_in_any_order(texts: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=12))
    ragged = Ragged.of_texts(texts)
    assert list(ragged.texts()) == texts
    assert list(ragged[np.array(rows)].texts()) == [texts[row] for row in rows]


def test_slices_and_single_rows() -> None:
    ragged = Ragged.of([np.arange(3), np.arange(0), np.array([9])])
    assert [row.tolist() for row in ragged[1:]] == [[], [9]]
    assert ragged[np.int64(2)].tolist() == [9]
    assert ragged.lengths.tolist() == [3, 0, 1]


def test_a_row_that_is_not_there() -> None:
    with pytest.raises(IndexError):
        Ragged.of([np.arange(3)])[np.array([1])]
