"""What a head is trained for: the loss of a task, its slope, and what the head's scores say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.task import FAR, Task, TaskKind
from headstart.models.constants import numbers_like


class Loss(Protocol):
    """The loss of a task, for one client or a stack of clients.

    ``scores`` are ``(…, batch, outputs)``, ``truth`` is ``(…, batch)`` or ``(…, batch, …)`` as the task says, and
    ``weights`` are ``(…, batch)``, 0 where padded.

    Attributes:
        is_softmax: whether heads may train in dual form, whose steps are those of softmax regression.
        fewest_outputs: of a head that can learn anything.
        has_intercept: whether a shift of all scores changes anything; if not, an intercept has no slope, and what
            rounding leaves of it must not be taken for one.
    """

    is_softmax: ClassVar[bool] = False
    fewest_outputs: ClassVar[int] = 1
    has_intercept: ClassVar[bool] = True

    def mean(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return the weighted mean loss of one client's batch, a scalar."""
        ...

    def slope(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return the slope of the mean with respect to the scores; 0 where a client has no example."""
        ...

    def predictions(self, scores: Tensor) -> Tensor:
        """Return what scores say, as the task's predictions."""
        ...

    def regressand(self, truth: Tensor, num_outputs: int) -> Tensor:
        """Return what least squares fit scores to, ``(…, batch, outputs)`` float64."""
        ...

    def any_truth(self, size: int, num_outputs: int) -> Tensor:
        """Return the truth of a batch that costs what a real one does."""
        ...


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Softmax regression on one class per example.

    Attributes:
        label_smoothing: share of each label that all classes have alike. Szegedy, Vanhoucke, Ioffe, Shlens, Wojna:
            Rethinking the Inception Architecture for Computer Vision. CVPR 2016. https://arxiv.org/abs/1512.00567
            (section 7).
    """

    label_smoothing: float = 0.0
    is_softmax: ClassVar[bool] = True
    fewest_outputs: ClassVar[int] = 2

    def mean(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        losses = functional.cross_entropy(scores, truth, reduction="none", label_smoothing=self.label_smoothing)
        return (losses * weights).sum() / weights.sum()

    def slope(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return ``softmax - onehot``, weighted; of smoothed labels what they are instead of ``onehot``."""
        residual, smoothing = functional.softmax(scores, dim=-1), self.label_smoothing
        residual.scatter_add_(-1, truth.unsqueeze(-1), torch.full_like(residual[..., :1], smoothing - 1))
        if smoothing:
            residual -= smoothing / scores.shape[-1]
        residual *= _shares(weights, residual)
        return residual

    def predictions(self, scores: Tensor) -> Tensor:
        """Return probabilities of the classes."""
        return torch.softmax(scores, dim=-1)

    def regressand(self, truth: Tensor, num_outputs: int) -> Tensor:
        """Return rows of 0 and 1."""
        return functional.one_hot(truth, num_outputs).double()

    def any_truth(self, size: int, num_outputs: int) -> Tensor:
        """Let the classes take turns."""
        return torch.arange(size) % num_outputs


@dataclass(frozen=True)
class Entropy(CrossEntropy):
    """How unsure predictions are, ``-sum p log p``; what is true does not matter."""

    def mean(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG002 — none is needed
        """Return the mean entropy."""
        logs = torch.log_softmax(scores, -1)
        return -((logs.exp() * logs).sum(-1) * weights).sum() / weights.sum()

    def slope(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG002 — none is needed
        """Return ``-p (log p + entropy)``, weighted."""
        logs = torch.log_softmax(scores, -1)
        slope = -logs.exp() * (logs - (logs.exp() * logs).sum(-1, keepdim=True))
        return slope * _shares(weights, slope)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Logistic regression on each of several labels; the mean over labels."""

    def mean(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return the mean over examples and labels."""
        losses = functional.binary_cross_entropy_with_logits(scores, truth.to(scores.dtype), reduction="none")
        return (losses.mean(-1) * weights).sum() / weights.sum()

    def slope(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return ``sigmoid - label``, weighted."""
        residual = torch.sigmoid(scores) - truth.to(scores.dtype)
        return residual * _shares(weights, scores) / scores.shape[-1]

    def predictions(self, scores: Tensor) -> Tensor:
        """Return each label's probability."""
        return torch.sigmoid(scores)

    def regressand(self, truth: Tensor, num_outputs: int) -> Tensor:  # noqa: ARG002 — the truth has one per output
        """Return log odds of 19 to 1 for or against each label, so that the scores' signs and sizes mean the same."""
        return _ODDS * (2 * truth.double() - 1)

    def any_truth(self, size: int, num_outputs: int) -> Tensor:
        """Let every second example have all labels."""
        return (torch.arange(size) % 2).double().unsqueeze(1).expand(size, num_outputs)


@dataclass(frozen=True)
class SquaredError(Loss):
    """Squared error of one or more targets, in their standard deviations; the mean over targets.

    Beyond three standard deviations an error counts in proportion (Huber: Robust Estimation of a Location Parameter.
    Ann. Math. Stat. 1964): slopes are bounded as those of softmax are, and steps that are too large do not run away.

    Attributes:
        centers: what a score of 0 stands for, in each target's unit.
        scales: what a score of 1 adds to it.
    """

    centers: tuple[float, ...]
    scales: tuple[float, ...]

    def mean(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return half the mean square over examples and targets, of large errors less."""
        losses = functional.huber_loss(scores, self._scaled(truth).to(scores.dtype), reduction="none", delta=FAR)
        return (losses.mean(-1) * weights).sum() / weights.sum()

    def slope(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return ``score - target`` up to three, weighted."""
        residual = (scores - self._scaled(truth).to(scores.dtype)).clamp(-FAR, FAR)
        return residual * _shares(weights, scores) / scores.shape[-1]

    def predictions(self, scores: Tensor) -> Tensor:
        """Return numbers in the targets' units."""
        return scores * numbers_like(scores, self.scales) + numbers_like(scores, self.centers)

    def regressand(self, truth: Tensor, num_outputs: int) -> Tensor:  # noqa: ARG002 — the truth has one per output
        """Return the targets in standard deviations."""
        return self._scaled(truth)

    def any_truth(self, size: int, num_outputs: int) -> Tensor:
        """Return 0 and 1 in turn."""
        return (torch.arange(size) % 2).double().unsqueeze(1).expand(size, num_outputs)

    def _scaled(self, truth: Tensor) -> Tensor:
        truth = truth.double()
        return (truth - numbers_like(truth, self.centers)) / numbers_like(truth, self.scales)


@dataclass(frozen=True)
class CoxPartialLikelihood(Loss):
    """The partial likelihood of proportional hazards, over those of the same batch who are still at risk.

    Cox: Regression Models and Life-Tables. J. R. Stat. Soc. B 1972. Ties as Breslow has them (Biometrics 1974). Divided
    by the number of examples, not of events, so that a batch of few events moves the head little.
    """

    has_intercept: ClassVar[bool] = False

    def mean(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return minus the log partial likelihood by example."""
        risk, at_risk = scores[..., 0], _at_risk(truth, weights)
        others = torch.where(at_risk, risk.unsqueeze(-2), -torch.inf)
        losses = torch.where(_is_event(truth, weights), torch.logsumexp(others, -1) - risk, 0)
        return (losses * weights).sum() / weights.sum()

    def slope(self, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Return what each example's share in the risk of earlier events is above its own event."""
        risk, at_risk = scores[..., 0], _at_risk(truth, weights)
        shares = torch.softmax(torch.where(at_risk, risk.unsqueeze(-2), -torch.inf), -1)
        events = torch.where(_is_event(truth, weights), _shares(weights, scores)[..., 0], 0)
        return ((events.unsqueeze(-2) @ shares).squeeze(-2) - events).unsqueeze(-1)

    def predictions(self, scores: Tensor) -> Tensor:
        """Return log hazard ratios."""
        return scores

    def regressand(self, truth: Tensor, num_outputs: int) -> Tensor:
        """Refuse: who was only followed has no time to fit."""
        raise NotImplementedError("survival has no least squares")

    def any_truth(self, size: int, num_outputs: int) -> Tensor:  # noqa: ARG002 — a risk has one output
        """Return one event after another."""
        return torch.stack([torch.arange(size), torch.ones(size)], -1).double()


def _shares(weights: Tensor, like: Tensor) -> Tensor:
    """Return each example's share in its client's loss, ``(…, batch, 1)``."""
    total = weights.sum(-1, keepdim=True)
    return (weights.to(like.dtype) / torch.where(total > 0, total, 1)).unsqueeze(-1)


def _at_risk(truth: Tensor, weights: Tensor) -> Tensor:
    """Say who was at risk when another's time came, ``(…, another, who)``; at each time somebody is."""
    times = truth[..., 0]
    present = (weights > 0).unsqueeze(-2) | torch.eye(times.shape[-1], dtype=torch.bool, device=times.device)
    return (times.unsqueeze(-2) >= times.unsqueeze(-1)) & present


def _is_event(truth: Tensor, weights: Tensor) -> Tensor:
    return (truth[..., 1] > 0) & (weights > 0)


_ODDS = 2.9444389791664403
"""Log of 19: scores of a least-squares head then read as probabilities of .05 and .95."""

CROSS_ENTROPY = CrossEntropy()

LOSSES: dict[TaskKind, Callable[[Task], Loss]] = {
    "classification": lambda _task: CROSS_ENTROPY,
    "multilabel": lambda _task: BinaryCrossEntropy(),
    "regression": lambda task: SquaredError(task.centers, task.scales),
    "survival": lambda _task: CoxPartialLikelihood(),
}
"""The loss of every task."""


def loss_of(task: Task) -> Loss:
    """Return what a head is trained for.

    >>> loss_of(Task(kind="regression", outputs=("age",), centers=(50.0,), scales=(10.0,))).predictions(Tensor([[1.0]]))
    tensor([[60.]])
    """
    return LOSSES[task.kind](task)
