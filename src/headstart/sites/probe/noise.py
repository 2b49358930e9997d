"""Noise on the sums of a probe, added by each client before anything leaves, and what it promises.

The Gaussian mechanism (Dwork, Roth: The Algorithmic Foundations of Differential Privacy, 2014, section 3.5.3) for
adding or removing one example; its (epsilon, delta) by Google's ``dp-accounting``. Rows are clipped, so that one
example changes ``Z'Z``, ``Z'Y`` and the counts by at most ``sqrt(bound**4 + bound**2 + 1)`` together.
"""

from __future__ import annotations

import math
import secrets

import torch
from torch import Tensor

from headstart.core.trees import Tree, map_tree
from headstart.sites.settings import DELTA


def clip_rows(features: Tensor, bound: float) -> Tensor:
    """Scale rows ``(examples, features)`` down to where ``[row, 1]`` is at most ``bound`` long; ``bound`` is above 1.

    >>> clip_rows(torch.tensor([[3.0, 4.0], [0.1, 0.0]]), 2**0.5)
    tensor([[0.6000, 0.8000],
            [0.1000, 0.0000]])
    """
    limit = math.sqrt(bound**2 - 1)
    shrink: Tensor = (limit / features.norm(dim=-1, keepdim=True).clamp_min(1e-12)).clamp_max(1.0)
    return features * shrink


def _sensitivity(bound: float) -> float:
    """Return by how much one example changes the sums, in Euclidean norm."""
    return math.sqrt(bound**4 + bound**2 + 1)


def deviation(noise: float, bound: float) -> float:
    """Return the standard deviation of the noise on every number, of ``noise`` sensitivities.

    >>> deviation(0.0, 10.0), round(deviation(1.0, 10.0), 1)
    (0.0, 100.5)
    """
    return noise * _sensitivity(bound)


def add_noise(sums: Tree, noise: float, bound: float) -> Tree:
    """Add Gaussian noise of ``noise`` times the sensitivity to every number; drawn from the system's randomness."""
    generator = torch.Generator().manual_seed(secrets.randbits(63))
    scale = deviation(noise, bound)
    return map_tree(lambda value: value + scale * torch.randn(value.shape, generator=generator).to(value), sums)


def epsilon(noise: float, delta: float = DELTA) -> float:
    """Return the epsilon of one release at ``delta``; infinite without noise.

    >>> round(epsilon(1.0), 2), epsilon(0.0)
    (4.38, inf)
    """
    if not noise:
        return math.inf
    # A second of imports: a site, which starts anew for every request, does without.
    from dp_accounting import GaussianDpEvent
    from dp_accounting.pld.pld_privacy_accountant import PLDAccountant

    return float(PLDAccountant().compose(GaussianDpEvent(noise)).get_epsilon(delta))
