"""The question in two messages: sums up, a head down, a few scores up. No example, feature or score of one leaves.

The sums are those of federated ridge regression (Fanì et al., ICML 2024, https://arxiv.org/abs/2406.01116), of which
the heads of LDA and NCM, LogME and the label skew follow too. They do reveal second moments of features, and with
fewer examples than features the span of the examples themselves: see ``docs/federation.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from headstart.adapt.personal_ridge import PENALTIES, PersonalRidge
from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.task import classification
from headstart.core.trees import Params, Tree, part
from headstart.data.federation import Split
from headstart.diagnosis.transfer import logme_from_sums
from headstart.evidence.bootstrap import interval
from headstart.evidence.contest import FEW_CLIENTS
from headstart.evidence.metrics import pooled_metrics
from headstart.federate.closed_form import FeatureSums, pack_symmetric, unpack_symmetric
from headstart.federate.lda import LinearDiscriminant
from headstart.federate.ncm import NearestClassMean
from headstart.federate.ridge import ridge_feature_sums, ridge_sums
from headstart.models.batch import Batch
from headstart.models.heads import head_logits
from headstart.models.model import Model
from headstart.training.client_data import ClientData
from headstart.training.design import class_sums

Head = Literal["local", "global", "personal", "lda", "ncm"]
"""The verdict compares the first three, whose global one is ridge's."""

OTHERS: Mapping[Literal["lda", "ncm"], LinearDiscriminant | NearestClassMean] = {
    "lda": LinearDiscriminant(),
    "ncm": NearestClassMean(),
}
"""Other global heads that the same sums give; they are shown, and decide nothing."""

_HEADS: tuple[Head, ...] = ("local", "global", "personal")
_METRIC = "balanced_accuracy"


def sums(model: Model, train: ClientData, val: ClientData) -> Tree:
    """Return what a client sends: ``Z'Z`` (its upper triangle), ``Z'Y``, and the numbers of examples per class.

    Args:
        model: cut at the head.
        train: the client's training examples; their sums are named ``train/…``.
        val: its validation examples.
    """
    parts = {"train": train, "val": val}
    return {f"{part}/{name}": v for part, data in parts.items() for name, v in _sums(model, data).items()}


def _sums(model: Model, data: ClientData) -> Tree:
    batch, classes = data.everything(model), model.network.num_classes
    return {**ridge_sums(model, batch), "counts": class_sums(batch, classes)["counts"]}


def feature_sums(tree: Tree) -> dict[Split, FeatureSums]:
    """Return what a client's sums say of its training and its validation examples."""
    parts: tuple[Split, ...] = ("train", "val")
    return {part: _feature_sums(tree, part) for part in parts}


def _feature_sums(tree: Tree, name: Split) -> FeatureSums:
    # Counts are sent apart; in the last row of the moment they stand once more.
    found = ridge_feature_sums(tree[f"{name}/gram"], tree[f"{name}/moment"])
    return replace(found, counts=tree[f"{name}/counts"])


def compare(model: Model, heads: Tree, data: ClientData, val: ClientData) -> dict[Head, float]:
    """Return a client's balanced accuracy with every head on its own validation data; empty without any.

    Args:
        model: cut at the head.
        heads: the global ones, each tensor's name after its head's: ``ridge/head.weight``.
        data: the client's training examples.
        val: its validation examples.
    """
    batch = val.everything(model)
    if not len(batch.labels):
        return {}
    ridge, adapt = part(heads, "ridge/"), PersonalRidge(accept=False)
    options: dict[Head, Tree] = {
        "local": adapt(model, trees.zeros_like(ridge), data),
        "global": ridge,
        "personal": adapt(model, ridge, data),
    }
    options |= {name: part(heads, f"{name}/") for name in OTHERS}
    return {name: _score(batch, option) for name, option in options.items()}


def _score(batch: Batch, head: Params) -> float:
    probabilities = head_logits(head, batch.inputs.to(head["head.weight"].dtype)).softmax(-1)
    task = classification(tuple(map(str, range(probabilities.shape[1]))))
    said = probabilities.double().cpu().numpy()
    return pooled_metrics(batch.labels.cpu().numpy(), said, task, names=(_METRIC,))[_METRIC]


@dataclass(frozen=True)
class _Solved:
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


def solve(model: Model, total: Tree, dtype: torch.dtype = torch.float32) -> _Solved:
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
    # Noise may leave a matrix that is no sum of squares, or fewer than no examples.
    is_exact = float(values[0]) > -1e-6 * float(values[-1]) and float(counts.min()) >= 0
    evidence = logme_from_sums(second.numpy(), moment[:-1].numpy(), counts.numpy()) if is_exact else float("nan")
    named = {f"{name}/{key}": value.contiguous() for name, head in heads.items() for key, value in head.items()}
    return _Solved(named, PENALTIES[best], errors[best], evidence)


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


def decide(
    scores: Mapping[str, Mapping[Head, float]], *, min_effect: float, confidence: float = 0.95
) -> dict[str, Any]:
    """Say what the scores mean: fine-tune, federate, or both.

    Args:
        scores: by client, what :func:`compare` returned.
        min_effect: difference worth having.
        confidence: of the interval, a bootstrap over clients.

    Returns:
        The verdict; the mean score of each head; what federation adds at most to local heads, with its interval.
    """
    used = [row for row in scores.values() if row]
    means = {name: _mean([row[name] for row in used]) for name in (*_HEADS, *OTHERS)}
    best: Head = "personal" if means["personal"] > means["global"] else "global"
    effect = np.array([row[best] - row["local"] for row in used])
    low, high = _interval(effect, confidence)
    gain = means[best] - means["local"]
    return {
        "verdict": _verdict(means, best, gain, low=low, high=high, min_effect=min_effect),
        "means": means,
        "ceiling": gain,
        "interval": [low, high],
        "confidence": confidence,
        "clients": len(used),
        "claims_significance": len(used) > FEW_CLIENTS,
    }


def _verdict(
    means: Mapping[Head, float], best: Head, gain: float, *, low: float, high: float, min_effect: float
) -> str:
    if np.isnan(gain):
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
