"""Keyed randomness: every stream of random numbers is named by what it is for, never by when it is drawn."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch

Key = int | str


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
