"""The Gaussian classifier with one covariance (linear discriminant analysis), for one client or a stack.

Hastie, Tibshirani, Friedman: The Elements of Statistical Learning, section 4.3.
"""

from __future__ import annotations

from torch import Tensor

_BELOW = 1e4
"""How far the score of a class without examples lies below the mean score of the others: it is never predicted."""


def class_means(sums: Tensor, counts: Tensor) -> Tensor:
    """Return each class's mean, 0 for a class without examples; shape ``(…, classes, features)``."""
    return sums / counts.clamp_min(1).unsqueeze(-1)


def discriminant(weight: Tensor, means: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and biases ``log prior_c - mu_c' S^-1 mu_c / 2``; finite for classes without examples.

    Args:
        weight: ``S^-1 mu_c``, ``(…, classes, features)``.
        means: ``mu_c``, of the same shape.
        counts: examples of each class, ``(…, classes)``.
    """
    here = (counts > 0).to(counts.dtype)
    prior = counts / counts.sum(-1, keepdim=True).clamp_min(1)
    bias = prior.clamp_min(1e-300).log() - (means * weight).sum(-1) / 2
    share = (here / here.sum(-1, keepdim=True).clamp_min(1)).unsqueeze(-2)
    lowest = (share @ bias.unsqueeze(-1)).squeeze(-1) - _BELOW
    absent = (here == 0).unsqueeze(-1)
    return weight.where(~absent, share @ weight), bias.where(~absent.squeeze(-1), lowest)
