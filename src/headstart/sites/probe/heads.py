"""The question in two messages: sums up, a head down, a few scores up. No example, feature or score of one leaves.

The sums are those of federated ridge regression (Fanì et al., ICML 2024, https://arxiv.org/abs/2406.01116), of which
the heads of LDA and NCM, LogME and the label skew follow too. They do reveal second moments of features, and with
fewer examples than features the span of the examples themselves: see ``docs/federation.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.adapt.personal_ridge import PENALTIES, PersonalRidge
from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.trees import Tree, part
from headstart.diagnosis.transfer import logme_from_sums
from headstart.evidence.bootstrap import interval
from headstart.evidence.contest import FEW_CLIENTS
from headstart.evidence.metrics import pooled_metrics
from headstart.federate.closed_form import class_sums, pack_symmetric, unpack_symmetric
from headstart.federate.lda import LinearDiscriminant
from headstart.federate.ncm import NearestClassMean
from headstart.federate.ridge import ridge_sums
from headstart.models.model import Model, head_logits
from headstart.sites.probe.noise import clip_rows
from headstart.training.client_data import ClientData

HEADS = ("local", "global", "personal")
"""Those that the verdict compares; the global one is ridge's."""

OTHERS: Mapping[str, LinearDiscriminant | NearestClassMean] = {"lda": LinearDiscriminant(), "ncm": NearestClassMean()}
"""Other global heads that the same sums give; they are shown, and decide nothing."""

METRIC = "balanced_accuracy"


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
    classes = model.network.num_classes
    return {**ridge_sums(batch, classes), "counts": class_sums(batch, classes)["counts"]}


def compare(model: Model, heads: Tree, data: ClientData, val: ClientData) -> dict[str, Any]:
    """Return a client's scores of every head on its own validation data.

    Args:
        model: cut at the head.
        heads: the global ones, each tensor's name after its head's: ``ridge/head.weight``.
        data: the client's training examples.
        val: its validation examples.
    """
    batch = val.everything(model)
    if not len(batch.labels):
        return {"examples": 0}
    ridge, adapt = part(heads, "ridge/"), PersonalRidge(accept=False)
    options = {
        "local": adapt(model, trees.zeros_like(ridge), data),
        "global": ridge,
        "personal": adapt(model, ridge, data),
    }
    options |= {name: part(heads, f"{name}/") for name in OTHERS}
    labels, found = batch.labels.cpu().numpy(), {}
    for name, option in options.items():
        probabilities = head_logits(option, batch.inputs.to(option["head.weight"].dtype)).softmax(-1)
        found[name] = pooled_metrics(labels, probabilities.double().cpu().numpy())[METRIC]
    return {"examples": len(labels), **found}


@dataclass(frozen=True)
class Solved:
    """What the server makes of the sums.

    Attributes:
        heads: the global ones, each tensor's name after its head's.
        penalty: of ridge, that predicts the validation sums best.
        error: mean squared error of one-hot labels there.
        logme: log evidence of linear models on the features, per training example; greater is better.
    """

    heads: Tree
    penalty: float
    error: float
    logme: float


def solve(model: Model, total: Tree, dtype: torch.dtype = torch.float32) -> Solved:
    """Solve for the global heads from all clients' sums; ridge's penalty is chosen on those of validation data.

    With ``G_v``, ``M_v`` of those, the squared error is ``tr(W'G_v W) - 2 tr(W'M_v) + n_v``: no example is needed.
    """
    size = len(total["train/moment"])
    gram, val_gram = (unpack_symmetric(total[f"{name}/gram"], size) for name in ("train", "val"))
    moment, counts = total["train/moment"], total["train/counts"]
    values, vectors = torch.linalg.eigh(gram)
    turned = vectors.mT @ moment
    errors = []
    for penalty in PENALTIES:
        weights = vectors @ (turned / (values.clamp_min(0) + penalty).unsqueeze(-1))
        errors.append(_squared_error(weights, val_gram, total["val/moment"], total["val/counts"]))
    best = int(np.argmin(errors))
    weights = torch.linalg.solve(gram + PENALTIES[best] * torch.eye(size, dtype=gram.dtype), moment)
    ridge = {"head.weight": weights[:-1].mT.to(dtype).contiguous(), "head.bias": weights[-1].to(dtype)}
    second, class_totals = gram[:-1, :-1], moment[:-1].mT.contiguous()
    update = {"second_moment": pack_symmetric(second), "sums": class_totals, "counts": counts}
    heads = {"ridge": ridge} | {
        name: method.server_update(model, ridge, {}, update)[0] for name, method in OTHERS.items()
    }
    # Noise may leave a matrix that is no sum of squares.
    is_exact = float(values[0]) > -1e-6 * float(values[-1])
    evidence = logme_from_sums(second.numpy(), moment[:-1].numpy(), counts.numpy()) if is_exact else float("nan")
    named = {f"{name}/{key}": value.contiguous() for name, head in heads.items() for key, value in head.items()}
    return Solved(named, PENALTIES[best], errors[best], evidence)


def _squared_error(weights: Tensor, gram: Tensor, moment: Tensor, counts: Tensor) -> float:
    error = (weights * (gram @ weights)).sum() - 2 * (weights * moment).sum() + counts.sum()
    return float(error / counts.sum().clamp_min(1))


def skew(counts: Array) -> float:
    """Return the mean total variation distance between clients' class shares and the pool's, in [0, 1].

    >>> skew(np.array([[4, 0], [0, 4]])), skew(np.array([[2, 2], [1, 1]]))
    (0.5, 0.0)
    """
    # Not the diagnosis' function: noise may leave a client's counts at or below zero, which is no share at all there.
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    pool = counts.sum(0) / max(counts.sum(), 1)
    return float(np.abs(shares - pool).sum(1).mean() / 2)


def shift(clients: Sequence[Tree]) -> float:
    """Return the share of the features' variance that lies between clients' means, in [0, 1]."""
    moments = torch.stack([client["train/moment"] for client in clients])
    sizes = torch.stack([client["train/counts"].sum() for client in clients])
    squares = torch.stack(
        [unpack_symmetric(client["train/gram"], moments.shape[1]).diagonal()[:-1] for client in clients]
    )
    sums, total = moments.sum(-1)[:, :-1], sizes.sum().clamp_min(1)
    mean = sums.sum(0) / total
    between = (sums.square() / sizes.clamp_min(1).unsqueeze(-1)).sum() / total - mean.square().sum()
    whole = squares.sum() / total - mean.square().sum()
    return float((between / whole.clamp_min(1e-12)).clamp(0, 1))


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
        "means": means | {name: _mean([row[name] for row in used if name in row]) for name in OTHERS},
        "ceiling": gain,
        "interval": [low, high],
        "clients": len(table),
        "claims_significance": len(table) > FEW_CLIENTS,
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


def _interval(effect: Array, confidence: float) -> tuple[float, float]:
    if not len(effect):
        return float("nan"), float("nan")
    draws = np.random.default_rng(0).integers(0, len(effect), (10_000, len(effect)))
    return interval(effect[draws].mean(1), confidence)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
