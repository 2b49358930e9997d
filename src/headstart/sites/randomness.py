"""Noise that nobody can draw again: from the system's own randomness, every number of it."""

from __future__ import annotations

import secrets

import numpy as np
import torch
from torch import Tensor

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

    bits = np.frombuffer(secrets.token_bytes(8 * like.numel()), dtype=np.uint64) >> _SHIFT
    found = deviation * ndtri((bits + 0.5) * _STEP)
    return torch.from_numpy(found).reshape(like.shape).to(like)
