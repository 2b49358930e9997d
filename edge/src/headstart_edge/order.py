"""The order in which a device meets its examples: the same as the simulation draws for a client of this name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from headstart_edge.hashing import blake2b, sha256
from headstart_edge.tensors import Array

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def batches(labels: Array, settings: dict[str, Any], seed: int, client: str) -> Iterator[tuple[int, Array]]:
    """Yield the epoch and the positions of each minibatch.

    Args:
        labels: class numbers of the examples.
        settings: ``epochs``, ``batch_size``, ``local_steps`` and ``balance``, as a study says them.
        seed: of the study.
        client: the device's name.
    """
    size, batch = len(labels), int(settings["batch_size"])
    per_epoch, steps = -(-size // batch), settings.get("local_steps")
    epochs = int(settings["epochs"]) if steps is None else -(-int(steps) // per_epoch)
    key, taken = _stream(seed, client), 0
    for epoch in range(epochs):
        order = _epoch(key, labels, epoch, settings.get("balance", "none"))
        for start in range(0, size, batch):
            if steps is not None and taken == int(steps):
                return
            yield epoch, order[start : start + batch]
            taken += 1


def class_weights(labels: Array) -> Array:
    """Return a weight per example such that every class present weighs the same, 1 on average.

    >>> class_weights(np.array([0, 0, 0, 1])).round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    """
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: Array = len(labels) / (len(counts) * counts[inverse])
    return weights


def shuffled(size: int, seed: int, client: str) -> Array:
    """Return the positions 0 to ``size`` in an order that depends on nothing but seed and name."""
    return np.argsort(_mix(_stream(seed, f"hold back {client}") + np.arange(size, dtype=np.uint64) * GOLDEN))


def _stream(seed: int, client: str) -> Any:
    """Return the 64 bits from which a client's numbers are drawn."""
    name = int.from_bytes(blake2b(client.encode(), digest_size=8).digest(), "little")
    digest = sha256(json.dumps([seed, "adapt", "adapt"]).encode()).digest()
    purpose = int.from_bytes(digest[:8], "little") >> 1
    return _mix(np.array([name ^ purpose], dtype=np.uint64))[0]


def _epoch(key: Any, labels: Array, epoch: int, balance: str) -> Array:
    size = len(labels)
    counters = np.arange(epoch * size, (epoch + 1) * size, dtype=np.uint64)
    with np.errstate(over="ignore"):
        draws = _mix(key + counters * GOLDEN)
    if balance != "sampling":
        return np.argsort(draws)
    ends = np.cumsum(class_weights(labels)) / size
    positions: Array = np.minimum(np.searchsorted(ends, draws / np.float64(2**64), side="right"), size - 1)
    return positions


def _mix(values: Array) -> Array:
    """Hash 64-bit integers: SplitMix64's finaliser (Steele, Lea, Flood: OOPSLA 2014, variant 13 of Stafford)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = values ^ (values >> np.uint64(31))
    return mixed
