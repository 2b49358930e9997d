"""Personal ridge in closed form: sums of all examples ever seen, and a head pulled towards the pre-trained one.

Cheng, Chadha, Duchi: Federated Asymptotics: a model to compare federated learning algorithms. 2021.
https://arxiv.org/abs/2108.07313. ``W = argmin ||Z W - Y||² + penalty ||W - W_0||²`` with ``Z = [features, 1]``; a head
``W_0`` on another scale than one-hot labels, such as one of softmax, is brought to theirs first.
"""

from __future__ import annotations

import numpy as np

from headstart_edge.features import Features
from headstart_edge.tensors import Array, Tensors

PENALTIES = tuple(10.0**power for power in range(-3, 7))
CHUNK = 64
OTHER_SCALE = 0.8


def add_sums(sums: Tensors, features: Features, rows: Array, labels: Array, classes: int) -> Tensors:
    """Return what ridge needs of all examples, a few rows at a time: ``Z'Y``, and ``Z'Z`` or its root.

    Up to as many examples as features, the rows of ``Z`` are a root of ``Z'Z``, and smaller.
    """
    width = features.width + 1
    moment = sums["moment"].copy() if sums else np.zeros((width, classes))
    parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    for some in parts:
        moment += _design(features, some).T @ np.eye(classes)[labels[some]]
    root = sums.get("root", np.zeros((0, width)))
    if "gram" not in sums and len(root) + len(rows) <= width:
        return {"root": np.concatenate([root, *(_design(features, some) for some in parts)]), "moment": moment}
    gram = sums["gram"].copy() if "gram" in sums else root.T @ root
    for some in parts:
        design = _design(features, some)
        gram += design.T @ design
    return {"gram": gram, "moment": moment}


def solve(
    sums: Tensors, start: Tensors, features: Features, rows: Array, labels: Array, penalty: float | None
) -> Tensors:
    """Return the personal head.

    Args:
        sums: of all examples.
        start: the pre-trained head.
        features: of the examples at hand, by which the penalty is chosen.
        rows: which of them.
        labels: class numbers.
        penalty: None for the candidate of least leave-one-out error on the examples at hand.
    """
    received = np.concatenate([start["head.weight"].T, start["head.bias"][None]]).astype(np.float64)
    received = _on_scale(sums, received)
    values, vectors = _spectrum(sums)
    projected = vectors.T @ sums["moment"] - values[:, None] * (vectors.T @ received)
    if penalty is None:
        fits = values, vectors, projected
        penalty = _best_penalty(fits, received, features, rows, labels)
    head = received + vectors @ (projected / (values + penalty)[:, None])
    return {"head.weight": head[:-1].T.astype(np.float32).copy(), "head.bias": head[-1].astype(np.float32)}


def _on_scale(sums: Tensors, received: Array) -> Array:
    """Return ``1 / classes + a F`` of the head's centred scores ``F``, by least squares; the head itself if it fits."""
    classes, count, moment = received.shape[1], sums["moment"][-1].sum(), sums["moment"]
    centred = received - received.mean(1, keepdims=True)
    product, square = float((centred * moment).sum()), _squares(sums, centred)
    factor = max(0.0, product / square) if square > 0 else 0.0
    error = count - 2 * float((received * moment).sum()) + _squares(sums, received)
    if count * (1 - 1 / classes) - factor * product >= OTHER_SCALE * error:
        return received
    rescaled: Array = centred * factor
    rescaled[-1] += 1 / classes
    return rescaled


def _squares(sums: Tensors, head: Array) -> float:
    """Return the squared scores of a head, summed over all examples."""
    if "root" in sums:
        return float(((sums["root"] @ head) ** 2).sum())
    return float((head * (sums["gram"] @ head)).sum())


def _spectrum(sums: Tensors) -> tuple[Array, Array]:
    """Return eigenvalues of ``Z'Z`` and their vectors; of a root, only as many as it has rows."""
    if "root" in sums:
        _, singular, right = np.linalg.svd(sums["root"], full_matrices=False)
        return singular**2, right.T
    values, vectors = np.linalg.eigh(sums["gram"])
    return np.clip(values, 0, None), vectors


def _best_penalty(
    fits: tuple[Array, Array, Array], received: Array, features: Features, rows: Array, labels: Array
) -> float:
    """Try every candidate; without example j the error is ``(r_j - fit_j) / (1 - h_jj)``."""
    (values, vectors, projected), errors = fits, np.zeros(len(PENALTIES))
    for some in np.array_split(rows, max(1, -(-len(rows) // CHUNK))):
        design = _design(features, some)
        residual = np.eye(received.shape[1])[labels[some]] - design @ received
        turned = design @ vectors
        for number, penalty in enumerate(PENALTIES):
            shrunk = turned / (values + penalty)
            leverage = np.clip((shrunk * turned).sum(1, keepdims=True), None, 1 - 1e-9)
            errors[number] += float((((residual - shrunk @ projected) / (1 - leverage)) ** 2).sum())
    return PENALTIES[int(errors.argmin())]


def _design(features: Features, rows: Array) -> Array:
    found = features.rows(rows).astype(np.float64)
    return np.concatenate([found, np.ones((len(found), 1))], axis=1)
