"""A head: its scores, the gradient of softmax regression in closed form, and the steps of three optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart_edge.errors import EdgeError
from headstart_edge.tensors import Array, Tensors

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def probabilities(head: Tensors, features: Array) -> Array:
    """Return class probabilities ``(examples, classes)`` float64.

    >>> head = {"head.weight": np.zeros((2, 3), np.float32), "head.bias": np.zeros(2, np.float32)}
    >>> probabilities(head, np.ones((1, 3), np.float32)).tolist()
    [[0.5, 0.5]]
    """
    scores = (features @ head["head.weight"].T + head["head.bias"]).astype(np.float64)
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    found: Array = exponentials / exponentials.sum(1, keepdims=True)
    return found


def gradient(head: Tensors, features: Array, labels: Array, weights: Array) -> Tensors:
    """Return the gradient of the weighted mean cross-entropy: ``(softmax - onehot)' features``."""
    residual = probabilities(head, features)
    residual[np.arange(len(labels)), labels] -= 1
    residual = (residual * (weights / weights.sum())[:, None]).astype(np.float32)
    return {"head.weight": residual.T @ features, "head.bias": residual.sum(0)}


@dataclass
class Optimizer:
    """SGD, Adam or AdamW, as PyTorch has them; it changes a head in place.

    Attributes:
        name: ``sgd``, ``adam`` or ``adamw``.
        lr: step size.
        momentum: of SGD.
        weight_decay: L2, decoupled for ``adamw``.
        moments: what it remembers, by name.
        steps: how many it has taken.
    """

    name: str
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    moments: Tensors = field(default_factory=dict)
    steps: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Optimizer:
        """Build what a bundle's settings say.

        Raises:
            EdgeError: there is no such optimiser.
        """
        if settings.get("optimizer") not in ("sgd", "adam", "adamw"):
            raise EdgeError(
                f"settings.json: optimizer must be sgd, adam or adamw, received {settings.get('optimizer')!r}"
            )
        return cls(
            settings["optimizer"],
            float(settings["client_lr"]),
            float(settings.get("momentum") or 0),
            float(settings.get("weight_decay") or 0),
        )

    def step(self, head: Tensors, slope: Tensors) -> None:
        """Take one step."""
        self.steps += 1
        for name, value in head.items():
            change = self._sgd(name, value, slope[name]) if self.name == "sgd" else self._adam(name, value, slope[name])
            value -= (self.lr * change).astype(value.dtype)

    def _sgd(self, name: str, value: Array, slope: Array) -> Array:
        direction = slope + self.weight_decay * value
        if self.momentum:
            direction = self.moments[f"m/{name}"] = self.momentum * self.moments.get(f"m/{name}", 0) + direction
        return direction

    def _adam(self, name: str, value: Array, slope: Array) -> Array:
        if self.name == "adam":
            slope = slope + self.weight_decay * value
        else:
            value *= np.float32(1 - self.lr * self.weight_decay)
        m = self.moments[f"m/{name}"] = BETA1 * self.moments.get(f"m/{name}", 0) + (1 - BETA1) * slope
        v = self.moments[f"v/{name}"] = BETA2 * self.moments.get(f"v/{name}", 0) + (1 - BETA2) * slope**2
        found: Array = m / (1 - BETA1**self.steps) / (np.sqrt(v / (1 - BETA2**self.steps)) + EPSILON)
        return found
