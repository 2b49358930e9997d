"""FedAdagrad, FedAdam and FedYogi: adaptive server optimisers.

Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan: Adaptive Federated Optimization. ICLR 2021.
https://arxiv.org/abs/2003.00295 (Algorithm 2).

Differs from the paper: the second moment starts at 0 (the paper allows any value of at least tau²);
``bias_correction`` may be switched on, as Flower's FedAdam does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from headstart.core import trees
from headstart.core.registry import Scale
from headstart.core.trees import Tree

Decay = Annotated[float, Field(ge=0, lt=1)]
SecondMoment = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Adagrad:
    """The second moment is the sum of squared updates."""

    server_lr: PositiveFloat = field(default=0.1, metadata={"search": Scale(10)})
    beta1: Decay = 0.0
    tau: PositiveFloat = 1e-3

    def init(self, shared: Tree) -> Tree:
        """Return both moments at zero."""
        return init_moments(shared)

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Take one step of Algorithm 2 with ``v + u²``."""
        state = advance(state, update, self.beta1, lambda v, u: v + u * u)
        return step(shared, state, self.server_lr, self.tau), state


@dataclass(frozen=True, kw_only=True)
class Yogi:
    """The second moment moves towards the squared update by a fixed share of its size."""

    server_lr: PositiveFloat = field(default=0.1, metadata={"search": Scale(10)})
    beta1: Decay = 0.9
    beta2: Decay = 0.99
    tau: PositiveFloat = 1e-3

    def init(self, shared: Tree) -> Tree:
        """Return both moments at zero."""
        return init_moments(shared)

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Take one step of Algorithm 2 with ``v - (1 - beta2) u² sign(v - u²)``."""
        state = advance(state, update, self.beta1, lambda v, u: v - (1 - self.beta2) * u * u * torch.sign(v - u * u))
        return step(shared, state, self.server_lr, self.tau), state


@dataclass(frozen=True, kw_only=True)
class Adam:
    """The second moment is a running mean of squared updates."""

    server_lr: PositiveFloat = field(default=0.1, metadata={"search": Scale(10)})
    beta1: Decay = 0.9
    beta2: Decay = 0.99
    tau: PositiveFloat = 1e-3
    bias_correction: bool = False

    def init(self, shared: Tree) -> Tree:
        """Return both moments at zero, and the count of rounds."""
        return {**init_moments(shared), "round": torch.zeros(())}

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Take one step of Algorithm 2 with ``beta2 v + (1 - beta2) u²``."""
        count = state["round"] + 1
        moments = advance(state, update, self.beta1, lambda v, u: v * self.beta2 + (1 - self.beta2) * u * u)
        return step(shared, moments, self._lr(int(count)), self.tau), {**moments, "round": count}

    def _lr(self, count: int) -> float:
        if not self.bias_correction:
            return self.server_lr
        return float(self.server_lr * (1 - self.beta2**count) ** 0.5 / (1 - self.beta1**count))


def init_moments(shared: Tree) -> Tree:
    """Return first and second moments at zero, named ``m/…`` and ``v/…``."""
    zeros = trees.zeros_like(shared)
    return {f"{moment}/{name}": value for moment in "mv" for name, value in zeros.items()}


def advance(state: Tree, update: Tree, beta1: float, second_moment: SecondMoment) -> Tree:
    """Return the moments after one mean update."""
    first = {f"m/{name}": state[f"m/{name}"] * beta1 + (1 - beta1) * u for name, u in update.items()}
    second = {f"v/{name}": second_moment(state[f"v/{name}"], u) for name, u in update.items()}
    return first | second


def step(shared: Tree, state: Tree, server_lr: float, tau: float) -> Tree:
    """Return ``shared + server_lr m / (sqrt(v) + tau)``."""
    return {
        name: value + server_lr * state[f"m/{name}"] / (state[f"v/{name}"].sqrt() + tau)
        for name, value in shared.items()
    }
