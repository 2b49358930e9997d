"""Whether an arm has learnt anything of a task that has no classes: its loss beside that of one who knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.plain import plain
from headstart.core.task import FAR, Task, TaskKind
from headstart.evidence.learnt import Conduct, Finding, conduct_warnings, failed
from headstart.evidence.metrics import client_metrics

_FALLEN, _RISEN = 0.003, 0.01
"""Share by which a loss must fall, and amount by which an order must rise, to have done so."""

Said = tuple[Array, Array]
"""Truth and predictions of one client's examples."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Predictions on some examples.

    Attributes:
        rows: examples.
        finite: share of the predictions that are finite.
        loss: mean of the task's loss, over those.
        nothing: likewise of one who says the same to all: the labels' shares, the mean target, the same risk.
        order: share of the pairs of a client's examples that are in the right order, mean over rows: the C-index of
            survival, AUROC of labels; NaN where the loss says enough.
        doubt: two standard errors of that.
    """

    rows: int
    finite: float
    loss: float
    nothing: float
    order: float = np.nan
    doubt: float = np.nan

    @property
    def is_ordered(self) -> bool:
        """Whether the order is clearly not chance; scores that are far too sure may have a high loss all the same."""
        return self.order - 0.5 > self.doubt

    @classmethod
    def of(cls, task: Task, clients: Sequence[Said]) -> Fit | None:
        """Measure what clients' examples are said; None without any."""
        rows = sum(len(truth) for truth, _ in clients)
        if not rows:
            return None
        usable = [_finite(truth, said) for truth, said in clients]
        count = sum(len(truth) for truth, _ in usable)
        same = _same_for_all(task, usable)
        blind = [(truth, np.broadcast_to(same, said.shape)) for truth, said in usable]
        loss, nothing = (_mean_loss(task, pairs, count) for pairs in (usable, blind))
        order, doubt = _order(task, usable)
        return cls(rows=rows, finite=count / rows, loss=loss, nothing=nothing, order=order, doubt=doubt)


@dataclass(frozen=True, kw_only=True)
class Fits:
    """What one arm and seed left on training and validation data.

    Attributes:
        train: on a sample of the clients' training examples; None without any.
        began: those of the start on the same examples; None where nothing was trained.
        val: on validation examples; None without any.
    """

    train: Fit | None
    began: Fit | None
    val: Fit | None

    def as_json(self) -> dict[str, Any]:
        """Return plain values that JSON can say."""
        found: dict[str, Any] = plain(asdict(self))
        return {"fits": found}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Fits:
        """Undo :meth:`as_json`."""
        return cls(**{name: part and Fit(**_numbers(part)) for name, part in values["fits"].items()})


def fit_findings(fits: Fits, conduct: Conduct) -> tuple[Finding, ...]:
    """Say what is to be noticed of an arm and seed, a failure first."""
    if fits.train is None:
        return (Finding("not checked", "no client has training examples on which to check whether it learnt"),)
    failure = _failure(fits.train, fits.began, conduct) if conduct.trains else None
    blind = _no_better(fits.val or fits.train, "validation" if fits.val else "training")
    return tuple(filter(None, (failure, blind, *conduct_warnings(conduct))))


def _finite(truth: Array, said: Array) -> Said:
    kept = np.isfinite(said).all(axis=1)
    return truth[kept], said[kept]


def _numbers(part: Mapping[str, Any]) -> dict[str, Any]:
    """Put NaN where a loss was no finite number."""
    return {name: np.nan if value is None else value for name, value in part.items()}


def _failure(train: Fit, began: Fit | None, conduct: Conduct) -> Finding | None:
    """Return why the training is of no use, if it is."""
    if train.finite < 0.5 or not np.isfinite(train.loss):
        return failed("diverged", f"{1 - train.finite:.0%} of its predictions are not finite", conduct)
    if began is None or not conduct.by_steps or (conduct.is_trained and conduct.may_refuse):
        return None
    if train.is_ordered and train.order > began.order + _RISEN:
        return None
    if train.loss < train.nothing * (1 - _FALLEN) or (conduct.is_trained and train.loss < began.loss * (1 - _FALLEN)):
        return None
    numbers = f"training loss {began.loss:.3g} before, {train.loss:.3g} after; who knows nothing: {train.nothing:.3g}"
    return failed(_way_of(train, began), numbers, conduct)


def _way_of(train: Fit, began: Fit) -> str:
    """Return how the loss failed to fall: a word for each cause."""
    if train.loss > 1.5 * max(began.loss, train.nothing):
        return "diverged"
    return "too slow" if abs(train.loss - began.loss) < 0.01 * began.loss else "not fallen"


def _no_better(fit: Fit, where: str) -> Finding | None:
    if fit.loss < fit.nothing * (1 - _FALLEN) or fit.is_ordered:
        return None
    return Finding(
        "nothing",
        f"its loss on {where} data is no better than that of one who knows nothing: {fit.loss:.3g} against "
        f"{fit.nothing:.3g}",
    )


def _same_for_all(task: Task, clients: Sequence[Said]) -> Array:
    """Return the prediction of one who says the same to all."""
    if task.kind == "multilabel" and clients:
        shares: Array = np.concatenate([truth for truth, _ in clients]).mean(0)
        return shares
    return np.array(task.centers or (0.0,) * task.num_outputs)


def _mean_loss(task: Task, clients: Sequence[Said], count: int) -> float:
    return sum(_LOSSES[task.kind](task, truth, said) for truth, said in clients) / max(1, count)


def _order(task: Task, clients: Sequence[Said]) -> tuple[float, float]:
    """Return how well examples are ordered, and two standard errors of chance in that."""
    metric = _ORDERS.get(task.kind)
    if metric is None or not clients:
        return np.nan, np.nan
    sizes = np.array([len(truth) for truth, _ in clients])
    truth, said = (np.concatenate([one[i] for one in clients]) for i in (0, 1))
    each = client_metrics(truth, said, np.repeat(np.arange(len(sizes)), sizes), len(sizes), task)[metric]
    known = np.isfinite(each)
    if not known.any():
        return np.nan, np.nan
    few = min(truth[:, -1].sum(), len(truth) - truth[:, -1].sum()) if task.kind == "survival" else truth.sum(0).min()
    return float(np.average(each[known], weights=sizes[known])), float(1 / np.sqrt(max(1.0, few)))


_ORDERS: dict[TaskKind, str] = {"survival": "c_index", "multilabel": "auroc"}


def _log_loss(_task: Task, truth: Array, said: Array) -> float:
    likely = np.clip(np.where(truth == 1, said, 1 - said), np.finfo(np.float32).eps, 1)
    return float(-np.log(likely).mean(1).sum())


def _squared_error(task: Task, truth: Array, said: Array) -> float:
    far = np.abs(said - truth) / np.array(task.scales)
    losses = np.where(far <= FAR, far**2 / 2, FAR * (far - FAR / 2))
    return float(losses.mean(1).sum())


def _partial_likelihood(_task: Task, truth: Array, said: Array) -> float:
    """Sum minus log partial likelihoods, Breslow's ties: one sum from the last time on."""
    order = np.argsort(-truth[:, 0], kind="stable")
    times, events, risk = truth[order, 0], truth[order, 1] == 1, said[order, 0]
    at_risk = np.logaddexp.accumulate(risk) if len(risk) else risk
    # All of one time are at risk together: the sum up to the last of them.
    last = np.searchsorted(-times, -times, side="right") - 1
    return float((at_risk[last] - risk)[events].sum())


_LOSSES: dict[TaskKind, Callable[[Task, Array, Array], float]] = {
    "multilabel": _log_loss,
    "regression": _squared_error,
    "survival": _partial_likelihood,
}
"""Sums over one client's examples, as the arm trains on them."""
