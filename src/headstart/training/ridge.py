"""Ridge regression on one-hot labels or other targets: its solution and its penalty, for one client or a stack.

Golub, Heath, Wahba: Generalized Cross-Validation as a Method for Choosing a Good Ridge Parameter. Technometrics 1979.
https://doi.org/10.1080/00401706.1979.10489751; leave-one-out: Hastie, Tibshirani, Friedman: The Elements of Statistical
Learning, equation 7.64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_RELATIVE = tuple(10.0 ** (power / 2) for power in range(-12, 5))
"""Candidates in mean squares of a feature, summed over the examples: from almost no penalty to almost no head."""

_MOST_FREEDOM = 0.7
"""Share of the examples that a head chosen from sums may use up as degrees of freedom."""

_TIE = 1e-9
"""Relative difference below which two errors are the same: the larger penalty is taken."""


def relative_penalties(trace: Tensor, size: int) -> Tensor:
    """Return candidates that follow the features' scale, ``(candidates, …)``, from the trace of ``Z'Z`` ``(…)``."""
    mean = (trace / size).clamp_min(1e-300)
    return torch.stack([mean * candidate for candidate in _RELATIVE])


def generalized_cross_validation(
    gram: Tensor, moment: Tensor, decomposed: tuple[Tensor, Tensor] | None = None, square: Tensor | None = None
) -> float:
    """Return the candidate of least generalised cross-validation error, from sums alone.

    ``GCV = (RSS / N) / (1 - tr S / N)²`` with ``RSS = tr Y'Y - 2 tr W'M + tr W'AW``, ``S`` the smoother. With about as
    many features as examples both tend to 0 with the penalty, and their ratio says nothing: candidates with ``tr S``
    above 0.7 N are left out. With examples 1.43 times the columns of ``Z``, or more, there are none.

    Args:
        gram: ``A = Z'Z``, ``Z = [features, 1]``: its last entry is the number of examples, N.
        moment: ``M = Z'Y`` of one-hot labels or other targets, ``(features + 1, outputs)``.
        decomposed: the eigenvalues and vectors of ``A``, where they are known.
        square: sum of all squares of ``Y``; None where it is one-hot, of which it is N.
    """
    candidates, errors, _ = _gcv(gram, moment, decomposed or torch.linalg.eigh(gram), square)
    return float(_least(errors, candidates))


class Fitted(NamedTuple):
    """A ridge head from sums.

    Attributes:
        head: ``W``, ``(features + 1, outputs)``.
        error: generalised cross-validation error, squared and summed over outputs, by example.
        leverage: mean share of an example in its own prediction, ``tr S / N``, in [0, 1).
    """

    head: Tensor
    error: float
    leverage: float


def ridge_of_sums(gram: Tensor, moment: Tensor, square: Tensor | None = None) -> Fitted:
    """Return the head of least generalised cross-validation error; arguments as there."""
    values, vectors = torch.linalg.eigh(gram)
    candidates, errors, used = _gcv(gram, moment, (values, vectors), square)
    at = int(torch.argmax((candidates == _least(errors, candidates)).int()))
    head = (vectors / (values.clamp_min(0) + candidates[at])) @ (vectors.mT @ moment)
    return Fitted(head, float(errors[at] / gram[-1, -1].clamp_min(1)), float(used[at]))


def _gcv(
    gram: Tensor, moment: Tensor, decomposed: tuple[Tensor, Tensor], square: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return candidates, their errors times the examples, and the share of the examples that each uses up."""
    values, vectors = decomposed
    values, turned = values.clamp_min(0), (vectors.mT @ moment).square().sum(-1)
    candidates, count = relative_penalties(gram.trace(), len(gram)), gram[-1, -1].clamp_min(1)
    shrunk = 1 / (values + candidates.unsqueeze(-1))
    left = (count if square is None else square) - (turned * shrunk * (2 - values * shrunk)).sum(-1)
    used = (values * shrunk).sum(-1) / count
    errors = left.clamp_min(0) / (1 - used).clamp_min(1e-9) ** 2
    return candidates, errors.where(used <= _MOST_FREEDOM, torch.inf), used


def softmax_scale(gram: Tensor, moment: Tensor, solution: Tensor, penalty: float) -> float:
    """Return the factor that makes a ridge head's scores log-probabilities of classes, from the same sums.

    Were classes Gaussian with one covariance ``S``, two classes' scores would have to lie as far apart on average as
    they vary within: ``(w_c - w_j)'(mu_c - mu_j) = (w_c - w_j)' S (w_c - w_j)``, as those of linear discriminant
    analysis do. The factor has it so over all pairs, for scores left out: ``(s - h y) / (1 - h)``, with ``h`` the mean
    leverage, as in generalised cross-validation. It is at least a thousandth, so that classes keep their order.

    Args:
        gram: ``Z'Z``, ``Z = [features, 1]``: its last entry is the number of examples.
        moment: ``Z'Y`` of one-hot labels, ``(features + 1, classes)``.
        solution: the head, of the same shape.
        penalty: with which it was solved.
    """
    values = torch.linalg.eigvalsh(gram).clamp_min(0)
    count, here = gram[-1, -1].clamp_min(1), moment[-1] > 0
    used, head, sums = (values / (values + penalty)).sum() / count, solution[:, here], moment[:, here]
    means, classes = sums / sums[-1], head.shape[1]
    within = (gram - sums @ means.mT) / count

    def pairs(left: Tensor, right: Tensor) -> Tensor:
        return classes * (left * right).sum() - (left.sum(1) * right.sum(1)).sum()

    apart = pairs(head, means) - used * classes * (classes - 1)
    varies = pairs(head, within @ head).clamp_min(1e-300)
    return float(((1 - used) * apart / varies).clamp_min(1e-3))


def ridge_correction(design: Tensor, residual: Tensor, candidates: Tensor) -> Tensor:
    """Return what to add to a head that leaves a residual; shape ``(…, features + 1, classes)``.

    Args:
        design: ``Z``, ``(…, examples, features + 1)``, padding all 0.
        residual: ``Y - Z W_received``, ``(…, examples, classes)``.
        candidates: penalties, ``(candidates,)`` or ``(candidates, …)``; of several each client takes the one of least
            leave-one-out error.
    """
    left, singular, right = torch.linalg.svd(design, full_matrices=False)
    projected = left.mT @ residual
    chosen = candidates[0]
    if len(candidates) > 1:
        chosen = _least(_leave_one_out(left, singular, projected, residual, candidates), candidates)
    return _solution(singular, right, projected, chosen)


def own_ridge(design: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return a client's own head, of least leave-one-out error, and the sum of these squares over its examples.

    Args:
        design: ``Z``, ``(…, examples, features + 1)``, padding all 0.
        targets: ``Y``, ``(…, examples, outputs)``, padding all 0.

    Returns:
        Shapes ``(…, features + 1, outputs)`` and ``(…)``.
    """
    left, singular, right = torch.linalg.svd(design, full_matrices=False)
    projected, candidates = left.mT @ targets, relative_penalties(singular.square().sum(-1), design.shape[-1])
    errors = _leave_one_out(left, singular, projected, targets, candidates)
    return _solution(singular, right, projected, _least(errors, candidates)), errors.amin(0)


def _solution(singular: Tensor, right: Tensor, projected: Tensor, penalty: Tensor) -> Tensor:
    shrunk = singular / (singular**2 + penalty.unsqueeze(-1))
    found: Tensor = right.mT @ (shrunk.unsqueeze(-1) * projected)
    return found


def _leave_one_out(left: Tensor, singular: Tensor, projected: Tensor, residual: Tensor, candidates: Tensor) -> Tensor:
    """Return each client's squared leave-one-out error for each candidate; shape ``(candidates, …)``."""
    values = singular**2
    errors = [
        left_out(left, values / (values + penalty.unsqueeze(-1)), projected, residual).square().sum((-1, -2))
        for penalty in candidates
    ]
    return torch.stack(errors)


def left_out(left: Tensor, smooth: Tensor, projected: Tensor, unseen: Tensor, overlap: Tensor | float = 0.0) -> Tensor:
    """Return what a ridge correction leaves of each example that it was solved without, ``(…, examples, classes)``.

    ``(u_i (1 - g_i) - fit_i) / (1 - s_i)``, with ``s_i`` the leverage. The head that is corrected may have been solved
    without the example too: then ``u_i`` is what that head leaves of it, and ``g_i = (S G)_ii`` with the smoother ``S``
    and ``G`` the change of the other examples' scores when the example is left out of that head.

    Args:
        left: eigenvectors ``U`` of ``Z Z'``, ``(…, examples, rank)``.
        smooth: what the smoother ``S = U diag(smooth) U'`` keeps of each, in [0, 1], ``(…, rank)``.
        projected: ``U'R`` of the residuals ``R`` that are corrected, ``(…, rank, classes)``.
        unseen: ``u``, ``(…, examples, classes)``; ``R`` itself where the head corrected has seen no example.
        overlap: ``g``, ``(…, examples, 1)``; 0 where it has seen none.
    """
    fitted = left @ (smooth.unsqueeze(-1) * projected)
    leverage = (left**2 @ smooth.unsqueeze(-1)).clamp_max(1 - 1e-9)
    return (unseen * (1 - overlap) - fitted) / (1 - leverage)


def _least(errors: Tensor, candidates: Tensor) -> Tensor:
    """Return the candidate of least error, the largest on ties; both ``(candidates, …)``."""
    each = candidates.reshape(candidates.shape + (1,) * (errors.dim() - candidates.dim()))
    return torch.where(errors <= errors.amin(0) * (1 + _TIE), each, 0).amax(0)
