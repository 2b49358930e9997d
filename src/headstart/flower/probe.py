"""The question in two messages: sums up, a head down, a few scores up. No example, feature or score of one leaves.

The sums are those of federated ridge regression (Fanì et al., ICML 2024, https://arxiv.org/abs/2406.01116), of which
the heads of LDA and NCM, LogME and the label skew follow too. They do reveal second moments of features, and with
fewer examples than features the span of the examples themselves: see ``docs/federation.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.adapt.personal_ridge import PersonalRidge
from headstart.core import trees
from headstart.core.trees import Params, Tree
from headstart.evidence.metrics import pooled_metrics
from headstart.federate.closed_form import class_sums, unpack_symmetric
from headstart.federate.ridge import Ridge
from headstart.flower.noise import clip_rows
from headstart.models.batches import Batch, ClientData, Passes
from headstart.models.model import Model, head_logits

PENALTIES = tuple(10.0**power for power in range(-3, 7))
HEADS = ("local", "global", "personal")
METRIC = "balanced_accuracy"
FEW = 6
"""With so many clients or fewer no significance is claimed."""


def sums(model: Model, data: ClientData, bound: float | None = None) -> Tree:
    """Return what a client sends: ``Z'Z`` (its upper triangle), ``Z'Y``, and the numbers of examples per class.

    Args:
        model: cut at the head.
        data: the client's examples.
        bound: length to which rows of ``Z`` are clipped; None leaves them.
    """
    batch = data.everything(model)
    if bound is not None:
        batch = replace(batch, inputs=clip_rows(batch.inputs, bound))
    sent, _ = Ridge().client_update(model, {}, {}, _Whole(batch))
    return {**sent, "counts": class_sums(batch, model.network.num_classes)["counts"]}


@dataclass(frozen=True, eq=False)
class _Whole:
    """A client whose examples are one batch."""

    batch: Batch

    def everything(self, model: Model) -> Batch:
        """Return it."""
        return self.batch

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield it once."""
        yield self.batch

    def walk(self, model: Model, params: Params, passes: Passes) -> None:
        """Return nothing."""


def compare(model: Model, head: Params, data: ClientData, val: ClientData) -> dict[str, Any]:
    """Return a client's scores of the local, the global and the personal head on its own validation data.

    Args:
        model: cut at the head.
        head: the global one.
        data: the client's training examples.
        val: its validation examples.
    """
    batch = val.everything(model)
    if not len(batch.labels):
        return {"examples": 0}
    nothing = trees.zeros_like(head)
    adapt = PersonalRidge(accept=False)
    options = {"local": adapt(model, nothing, data), "global": head, "personal": adapt(model, head, data)}
    labels, found = batch.labels.cpu().numpy(), {}
    for name, option in options.items():
        probabilities = head_logits(option, batch.inputs.to(option["head.weight"].dtype)).softmax(-1)
        found[name] = pooled_metrics(labels, probabilities.double().cpu().numpy())[METRIC]
    return {"examples": len(labels), **found}


@dataclass(frozen=True)
class Solved:
    """What the server makes of the sums.

    Attributes:
        head: the global one.
        penalty: that predicts the validation sums best.
        error: mean squared error of one-hot labels there.
    """

    head: Params
    penalty: float
    error: float


def solve(total: Tree, dtype: torch.dtype = torch.float32) -> Solved:
    """Solve for the global head from all clients' sums; its penalty is chosen on those of validation data.

    With ``G_v``, ``M_v`` of those, the squared error is ``tr(W'G_v W) - 2 tr(W'M_v) + n_v``: no example is needed.
    """
    size = len(total["train/moment"])
    gram, val_gram = (unpack_symmetric(total[f"{part}/gram"], size) for part in ("train", "val"))
    values, vectors = torch.linalg.eigh(gram)
    turned = vectors.mT @ total["train/moment"]
    errors = []
    for penalty in PENALTIES:
        weights = vectors @ (turned / (values.clamp_min(0) + penalty).unsqueeze(-1))
        errors.append(_squared_error(weights, val_gram, total["val/moment"], total["val/counts"]))
    best = int(np.argmin(errors))
    weights = torch.linalg.solve(gram + PENALTIES[best] * torch.eye(size, dtype=gram.dtype), total["train/moment"])
    head = {"head.weight": weights[:-1].mT.to(dtype).contiguous(), "head.bias": weights[-1].to(dtype)}
    return Solved(head, PENALTIES[best], errors[best])


def _squared_error(weights: Tensor, gram: Tensor, moment: Tensor, counts: Tensor) -> float:
    error = (weights * (gram @ weights)).sum() - 2 * (weights * moment).sum() + counts.sum()
    return float(error / counts.sum().clamp_min(1))


def skew(counts: np.ndarray[Any, Any]) -> float:
    """Return the mean total variation distance between clients' class shares and the pool's, in [0, 1].

    >>> skew(np.array([[4, 0], [0, 4]])), skew(np.array([[2, 2], [1, 1]]))
    (0.5, 0.0)
    """
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    pool = counts.sum(0) / max(counts.sum(), 1)
    return float(np.abs(shares - pool).sum(1).mean() / 2)


def decide(scores: Mapping[str, Mapping[str, Any]], *, min_effect: float, confidence: float = 0.95) -> dict[str, Any]:
    """Say what the scores mean: fine-tune, federate, or both.

    Args:
        scores: by client, what :func:`compare` returned.
        min_effect: difference worth having.
        confidence: of the interval, a bootstrap over clients.

    Returns:
        The verdict; the mean score of each head; what federation adds at most to local heads, with its interval.
    """
    used = [row for row in scores.values() if row.get("examples")]
    table = np.array([[row[name] for name in HEADS] for row in used], dtype=np.float64).reshape(-1, 3)
    means = dict(zip(HEADS, table.mean(0).tolist() if len(table) else [float("nan")] * 3, strict=True))
    best = max(("global", "personal"), key=lambda name: means[name])
    effect = table[:, HEADS.index(best)] - table[:, 0]
    low, high = _interval(effect, confidence)
    gain = means[best] - means["local"] if len(table) else float("nan")
    return {
        "verdict": _verdict(means, best, gain, low, high, min_effect, len(table)),
        "means": means,
        "ceiling": gain,
        "interval": [low, high],
        "clients": len(table),
        "claims_significance": len(table) > FEW,
    }


def _verdict(
    means: Mapping[str, float], best: str, gain: float, low: float, high: float, min_effect: float, clients: int
) -> str:
    if not clients:
        return "unsure"
    if high < min_effect or gain <= 0:
        return "fine-tune"
    if low <= 0:
        return "unsure"
    return "both" if best == "personal" and means["personal"] - means["global"] >= min_effect else "federate"


def _interval(effect: np.ndarray[Any, Any], confidence: float) -> tuple[float, float]:
    if not len(effect):
        return float("nan"), float("nan")
    draws = np.random.default_rng(0).integers(0, len(effect), (10_000, len(effect)))
    low, high = np.quantile(effect[draws].mean(1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
