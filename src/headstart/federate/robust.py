"""Aggregates that a few faulty or hostile clients cannot pull far; each client weighs the same.

Yin, Chen, Kannan, Bartlett: Byzantine-Robust Distributed Learning. ICML 2018. https://arxiv.org/abs/1803.01498
(coordinate-wise median and trimmed mean). Blanchard, El Mhamdi, Guerraoui, Stainer: Machine Learning with
Adversaries: Byzantine Tolerant Gradient Descent. NeurIPS 2017. https://arxiv.org/abs/1703.02757 (Krum).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from headstart.training import Tensor, Tree, trees

Robust = Callable[[Tree, float], Tree]
"""From a stack of updates and the share of clients that may be bad to one update."""


def median(updates: Tree, bad_share: float) -> Tree:
    """Return the coordinate-wise median; of an even number, the mean of the middle two.

    >>> median({"w": torch.tensor([[1.0], [2.0], [90.0]])}, 0.2)
    {'w': tensor([2.])}
    """
    return trees.map_tree(_median, updates)


def trimmed_mean(updates: Tree, bad_share: float) -> Tree:
    """Return the coordinate-wise mean without the smallest and the largest ``ceil(bad_share * clients)`` values.

    >>> trimmed_mean({"w": torch.tensor([[1.0], [2.0], [3.0], [4.0], [90.0]])}, 0.2)
    {'w': tensor([3.])}
    """
    clients = len(next(iter(updates.values())))
    cut = min(math.ceil(bad_share * clients), (clients - 1) // 2)
    return trees.map_tree(lambda value: value.sort(dim=0).values[cut : clients - cut].mean(0), updates)


def krum(updates: Tree, bad_share: float) -> Tree:
    """Return the update closest to its ``clients - bad - 2`` nearest others, at least one.

    >>> krum({"w": torch.tensor([[1.0], [1.1], [1.2], [1.5], [90.0]])}, 0.2)
    {'w': tensor([1.1000])}
    """
    flat = torch.cat([value.flatten(1).double() for value in updates.values()], dim=1)
    clients = len(flat)
    near = max(1, clients - math.ceil(bad_share * clients) - 2)
    # The nearest is the update itself, at distance 0.
    scores = torch.cdist(flat, flat).square().sort(dim=1).values[:, 1 : near + 1].sum(1)
    return trees.unstack(updates, int(scores.argmin()))


def _median(value: Tensor) -> Tensor:
    ordered, half = value.sort(dim=0).values, len(value) // 2
    return ordered[half] if len(value) % 2 else (ordered[half - 1] + ordered[half]) / 2


AGGREGATES: Mapping[str, Robust] = {"median": median, "trimmed_mean": trimmed_mean, "krum": krum}
"""Every robust aggregate by name."""
