"""How far the scales of a table's columns lie apart, and from how far on training may learn nothing: one rule."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from headstart.core.arrays import Array

_MOST = 100.0
"""How many times larger one unscaled column may be than another."""


class Span(NamedTuple):
    """Two columns, and how they differ.

    Attributes:
        ratio: of the largest column to the smallest: of their sizes or, if that is more, of their spreads.
        reach: as ``ratio``, with a column of size 1 beside them, for which networks are made.
        largest: index of a column.
        smallest: likewise.
        sizes: of the two.
    """

    ratio: float = 1.0
    reach: float = 1.0
    largest: int = 0
    smallest: int = 0
    sizes: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, inputs: Array) -> Span:
        """Measure a table ``(rows, columns)``; anything else has no columns.

        Zeros do not count: a category's column of 0 and 1 is as large as 1, however rare the category.

        >>> Span.of(np.array([[0.0, 0.0, 7.0], [1.0, 4000.0, 7.0]])).ratio
        4000.0
        """
        if inputs.ndim != 2:
            return cls()
        values = np.where(np.isfinite(inputs) & (inputs != 0), inputs, np.nan).astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column of zeros has no size
            sizes, spreads = np.sqrt(np.nanmean(values**2, axis=0)), np.nanstd(values, axis=0)
        both = (_apart(sizes), _apart(np.where(spreads > 1e-6 * sizes, spreads, np.nan)))
        return max(both, key=lambda one: one.ratio)._replace(reach=max(one.reach for one in both))


def is_wide(ratio: float) -> bool:
    """Say whether scales lie so far apart that training may learn nothing."""
    return ratio > _MOST


def unscaled(ratio: float) -> str:
    """Say in words that scales lie far apart, and the way out."""
    return f"unscaled inputs, whose columns differ by a factor of {ratio:,.0f} (set data.standardize)"


def _apart(sizes: Array) -> Span:
    if np.isnan(sizes).all():
        return Span()
    large, small = int(np.nanargmax(sizes)), int(np.nanargmin(sizes))
    most, least = float(sizes[large]), float(sizes[small])
    return Span(most / least, max(1.0, most) / min(1.0, least), large, small, (most, least))
