"""How far columns lie apart: in size or in spread."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.core.arrays import Array
from headstart.core.span import Span, is_wide


@pytest.mark.parametrize(
    ("inputs", "ratio", "reach"),
    [
        (np.array([[0.0, 0.0], [1.0, 1.0]]), 1.0, 1.0),
        (np.array([[0.0, 0.0], [1.0, 1000.0]]), 1000.0, 1000.0),
        (np.array([[0.0, 0.0], [0.001, 1.0]]), 1000.0, 1000.0),
        (np.array([[0.0, 0.0], [1000.0, 1000.0]]), 1.0, 1000.0),
        (np.array([[0.0, 5.0], [1.0, 5.0], [np.nan, np.inf]]), 5.0, 5.0),
        (np.array([[9.0, 9.0], [9.002, 11.0]]), 1000.0, 1000.0),
        (np.eye(2000)[:, :2], 1.0, 1.0),
        (np.full((2, 2), np.nan), 1.0, 1.0),
        (np.zeros((2, 1, 8, 8)), 1.0, 1.0),
        (np.zeros((0, 4)), 1.0, 1.0),
    ],
)
def test_scales_lie_apart_by_the_ratio_of_sizes_or_spreads(inputs: Array, ratio: float, reach: float) -> None:
    found = Span.of(inputs)
    assert (found.ratio, found.reach) == pytest.approx((ratio, reach), rel=1e-3)
    assert is_wide(found.reach) == (reach > 100)


def test_the_two_columns_are_named_with_their_sizes() -> None:
    assert Span.of(np.array([[1.0, 300.0, 0.1]])) == Span(3000.0, 3000.0, 1, 2, (300.0, 0.1))
