"""Keyed randomness: every stream of random numbers is named by what it is for, never by when it is drawn."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch

from headstart.core.arrays import Array

Key = int | str

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""An odd step that visits every 64-bit integer; its multiples, mixed, are a stream."""


def derive(*keys: Key) -> int:
    """Turn a key such as ``(seed, "batches", round, client_id)`` into a 63-bit seed.

    >>> derive(0, "batches", 3, "clinic") == derive(0, "batches", 3, "clinic")
    True
    >>> derive(0, "batches", 3) == derive(0, "batches", 4)
    False
    """
    digest = hashlib.sha256(json.dumps(keys).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def numpy_generator(*keys: Key) -> np.random.Generator:
    """Return NumPy's generator for this key."""
    return np.random.default_rng(derive(*keys))


def torch_generator(*keys: Key) -> torch.Generator:
    """Return PyTorch's generator (CPU) for this key."""
    generator = torch.Generator()
    generator.manual_seed(derive(*keys))
    return generator


def mix(values: Array) -> Array:
    """Hash 64-bit integers to 64-bit integers: the finaliser of SplitMix64.

    Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014,
    https://doi.org/10.1145/2660193.2660195 (with the constants of Stafford's variant 13).

    >>> mix(np.array([0, 1], dtype=np.uint64))
    array([                   0,  6238072747940578789], dtype=uint64)
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = values ^ (values >> np.uint64(31))
    return mixed


def uniform(values: Array) -> Array:
    """Turn mixed 64-bit integers into numbers from 0 to 1."""
    numbers: Array = values / np.float64(2**64)
    return numbers
