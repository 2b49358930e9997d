"""Drawing some of the examples so that every class keeps its share."""

from __future__ import annotations

import numpy as np

from headstart.core.arrays import Array


def stratified(labels: Array, count: int, rng: np.random.Generator) -> Array:
    """Draw ``count`` positions without replacement; each class gets its share, rounded up or down.

    The positions, shuffled within their classes, are laid out class by class, and every (n / count)-th is
    taken from a random start (systematic sampling: Madow and Madow 1944). So each position has the same
    chance, and no class is favoured by rounding.

    Args:
        labels: any keys to balance, ``(positions,)``.
        count: how many to draw, from 0 to the number of positions.
        rng: source of the draw.

    Returns:
        Positions in ascending order, ``(count,)`` int64.

    >>> stratified(np.array([0, 0, 0, 0, 1, 1]), 3, np.random.default_rng(0)).shape
    (3,)
    """
    # Classes in random order too: which of two rare classes loses its example is then a matter of chance.
    _, classes = np.unique(labels, return_inverse=True)
    ranks = rng.permutation(classes.max(initial=0) + 1)[classes]
    layout = np.lexsort((rng.random(len(labels)), ranks))
    steps = (np.arange(count) + rng.random()) * (len(labels) / max(count, 1))
    return np.sort(layout[np.minimum(steps.astype(np.int64), len(labels) - 1)])
