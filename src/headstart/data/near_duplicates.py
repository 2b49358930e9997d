"""Texts that nearly repeat another one: what is learnt from one answers the other, so that a test says too much.

Broder: On the Resemblance and Containment of Documents. 1997. https://doi.org/10.1109/SEQUEN.1997.666900 (shingles,
min-wise hashing), in bands as in Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.core.arrays import Array
from headstart.core.ragged import Ragged, places
from headstart.core.seeds import mix

SHINGLE = 5
"""Tokens in a row that are compared as one."""

RESEMBLANCE = 0.8
"""Shared shingles, of all that either text has, from which one text nearly repeats the other."""

BANDS, HASHES_PER_BAND = 8, 4
"""Two texts that share 80 percent meet in some band with probability 0.985, two that share 30 with 0.06."""

_SEED = 0


def near_duplicates(texts: Ragged) -> Array:
    """Return pairs of texts, one of which nearly repeats the other, ``(pairs, 2)`` int64, ascending.

    Of a group of texts alike each is paired with the first. Texts of less than five tokens are left out.

    >>> rows = [np.arange(30), np.arange(100, 130), np.arange(29)]
    >>> near_duplicates(Ragged.of(rows))
    array([[0, 2]])
    """
    shingles, long = _shingled(texts)
    if not len(long):
        return np.empty((0, 2), dtype=np.int64)
    candidates = {pair for keys in _bands(shingles) for pair in _meeting(keys)}
    found = sorted(pair for pair in candidates if _resemblance(shingles[pair[0]], shingles[pair[1]]) >= RESEMBLANCE)
    return long[np.array(found, dtype=np.int64).reshape(-1, 2)]


def _shingled(texts: Ragged) -> tuple[Ragged, Array]:
    """Return a hash of every shingle, by text, and which texts are long enough to have one."""
    hashed = mix(texts.values.astype(np.uint64))
    total = np.zeros(max(0, len(hashed) - SHINGLE + 1), dtype=np.uint64)
    for step in range(SHINGLE):
        total = total * np.uint64(0x100000001B3) + hashed[step : step + len(total)]
    long = np.flatnonzero(texts.lengths >= SHINGLE)
    counts = texts.lengths[long] - SHINGLE + 1
    starts = np.cumsum([0, *counts], dtype=np.int64)
    return Ragged(mix(total)[places(texts.starts[long], counts)], starts), long


def _resemblance(left: Array, right: Array) -> float:
    """Return the share of all shingles that both texts have.

    >>> _resemblance(np.array([1, 2, 3]), np.array([2, 3, 4]))
    0.5
    """
    shared = len(np.intersect1d(left, right))
    return shared / (len(np.unique(left)) + len(np.unique(right)) - shared)


def _bands(shingles: Ragged) -> Iterator[Array]:
    """Yield for each band a key per text; equal keys mean that a few smallest hashes are the same."""
    factors = np.random.default_rng(_SEED).integers(1, 2**63, size=(BANDS, HASHES_PER_BAND), dtype=np.uint64) | 1
    for band in factors:
        key = np.zeros(len(shingles), dtype=np.uint64)
        for factor in band:
            smallest = np.minimum.reduceat(mix(shingles.values * factor), shingles.starts[:-1])
            key = mix(key ^ smallest)
        yield key


def _meeting(keys: Array) -> Iterator[tuple[int, int]]:
    """Yield each text with the first that has its key."""
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    first = np.maximum.accumulate(np.where(np.concatenate([[True], ~same]), np.arange(len(order)), 0))
    for position in np.flatnonzero(same) + 1:
        yield int(order[first[position]]), int(order[position])
