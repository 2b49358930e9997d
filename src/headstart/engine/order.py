"""The order in which clients see their examples: a function of the key and the client's id alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from headstart.core.arrays import Array
from headstart.core.seeds import GOLDEN, Key, derive, mix, uniform
from headstart.training.client_data import Passes

PADDING = -1


class Order(Protocol):
    """Says in which order clients meet their examples."""

    def __call__(self, ids: Sequence[str], labels: Sequence[Array], passes: Passes, key: tuple[Key, ...]) -> Array:
        """Return positions in each client's examples, ``(clients, steps, batch)`` int64, -1 where padded.

        Args:
            ids: of the clients.
            labels: of each client's examples, in their own order.
            passes: how many, and in batches of which size.
            key: seed and round, or whatever else this order belongs to.
        """
        ...


def keyed_order(ids: Sequence[str], labels: Sequence[Array], passes: Passes, key: tuple[Key, ...]) -> Array:
    """Shuffle each client's examples by a hash of the key, the client's id, the epoch and the position.

    Every epoch is a permutation, or as many draws with replacement in which each class present is equally likely.
    Clients of one size are shuffled together; who else is shuffled changes nothing.
    """
    seeds = mix(np.array([_hash_id(name) for name in ids], dtype=np.uint64) ^ np.uint64(derive(*key, passes.stream)))
    sizes = np.array([len(each) for each in labels])
    steps = [passes.num_steps(int(size)) for size in sizes]
    order = np.full((len(ids), max(steps, default=0), passes.batch_size), PADDING, dtype=np.int64)
    for size in np.unique(sizes[sizes > 0]):
        members = np.flatnonzero(sizes == size)
        drawn = _draw(seeds[members], [labels[int(i)] for i in members], passes)
        order[members, : drawn.shape[1]] = drawn
    return order


def _draw(seeds: Array, labels: Sequence[Array], passes: Passes) -> Array:
    """Order clients of one size: ``(clients, steps, batch)``."""
    size = len(labels[0])
    per_epoch = -(-size // passes.batch_size)
    epochs = -(-passes.num_steps(size) // per_epoch)
    counters = np.arange(epochs * size, dtype=np.uint64).reshape(1, epochs, size)
    draws = mix(seeds[:, None, None] + counters * GOLDEN)
    order = np.full((len(seeds), epochs, per_epoch * passes.batch_size), PADDING, dtype=np.int64)
    order[..., :size] = _sampled(draws, labels) if passes.balance == "sampling" else np.argsort(draws, axis=-1)
    return order.reshape(len(seeds), epochs * per_epoch, passes.batch_size)[:, : passes.steps]


def _sampled(draws: Array, labels: Sequence[Array]) -> Array:
    """Turn draws into positions such that each class present is equally likely."""
    ends = [np.cumsum(class_weights(own)) / len(own) for own in labels]
    found = [np.searchsorted(end, each, side="right") for end, each in zip(ends, uniform(draws), strict=True)]
    positions: Array = np.minimum(np.stack(found), len(labels[0]) - 1)
    return positions


def class_weights(labels: Array) -> Array:
    """Return a weight per example such that every class present weighs the same, 1 on average."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: Array = len(labels) / (len(counts) * counts[inverse])
    return weights


@lru_cache(maxsize=2**16)
def _hash_id(name: str) -> int:
    """Hash a client's id to 64 bits."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
