"""Noise that nobody can draw again: from the system's own randomness, every number of it."""

from __future__ import annotations

import secrets

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.seeds import Key

_SHIFT, _STEP = np.uint64(11), 2.0**-53
"""What leaves of 64 bits as many as a number from 0 to 1 holds, and what one of them is worth."""


def system_noise(like: Tensor, deviation: float) -> Tensor:
    """Draw Gaussian noise of a tensor's shape and type.

    PyTorch's generator on the CPU takes 32 bits of its seed: whoever tried them all would find the noise.

    Args:
        like: of any numbers.
        deviation: standard, of every number.
    """
    # As long to import as SciPy, which only those need who add noise.
    from scipy.special import ndtri

    found = deviation * ndtri(_uniforms(like.numel()))
    return torch.from_numpy(found).reshape(like.shape).to(like)


class SystemChance:
    """Draws what hides single examples at a site: nobody else knows who was in a step, nor the noise on it.

    Args:
        key: what it is for; nothing is drawn by it.
    """

    def __init__(self, key: tuple[Key, ...]) -> None:
        self.key = key

    def uniforms(self, count: int) -> Array:
        """Return numbers, uniform in (0, 1), float64."""
        return _uniforms(count)

    def normals(self, count: int, dtype: torch.dtype) -> Tensor:
        """Return standard normal numbers."""
        return system_noise(torch.empty(count, dtype=dtype), 1.0)


def _uniforms(count: int) -> Array:
    bits = np.frombuffer(secrets.token_bytes(8 * count), dtype=np.uint64) >> _SHIFT
    found: Array = (bits + 0.5) * _STEP
    return found
