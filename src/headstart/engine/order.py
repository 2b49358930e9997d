"""The order in which a client sees its examples: a function of the key alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.core.seeds import Key, numpy_generator
from headstart.data.examples import Array
from headstart.models.batches import Balance

PADDING = -1


def minibatch_order(
    labels: Array,
    *,
    batch_size: int,
    epochs: int,
    balance: Balance,
    key: tuple[Key, ...],
    steps: int | None = None,
) -> Array:
    """Return positions of one client's examples, ``(steps, batch)``, with -1 where a last batch is not full.

    Every epoch is a permutation, or as many draws with replacement in which each class present is equally likely.
    """
    per_epoch = -(-len(labels) // batch_size)
    if steps is not None:
        epochs = -(-steps // max(per_epoch, 1))
    order = np.full((epochs, per_epoch * batch_size), PADDING, dtype=np.int64)
    generator = numpy_generator(*key)
    for epoch in range(epochs):
        order[epoch, : len(labels)] = _one_epoch(labels, balance, generator)
    return order.reshape(epochs * per_epoch, batch_size)[:steps]


def class_weights(labels: Array) -> Array:
    """Return a weight per example such that every class present weighs the same, 1 on average."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: Array = len(labels) / (len(counts) * counts[inverse])
    return weights


def _one_epoch(labels: Array, balance: Balance, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    if balance != "sampling" or len(labels) == 0:
        return generator.permutation(len(labels))
    return generator.choice(len(labels), size=len(labels), p=class_weights(labels) / len(labels))
