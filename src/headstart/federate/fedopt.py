"""FedAdagrad, FedAdam and FedYogi: adaptive server optimisers.

Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan: Adaptive Federated Optimization. ICLR 2021.
https://arxiv.org/abs/2003.00295 (Algorithm 2).

Differs from the paper: the second moment starts at 0 (the paper allows any value of at least tau²);
``fedadam`` can switch ``bias_correction`` on, as Flower's does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat

from headstart.training import Scale, Tensor, Tree, trees

Decay = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True)
class Adagrad:
    """The second moment is the sum of squared updates."""

    server_lr: Annotated[PositiveFloat, Scale(10)] = 0.1
    beta1: Decay = 0.0
    tau: PositiveFloat = 1e-3

    def init(self, shared: Tree) -> Tree:
        """Return both moments at zero, named ``m/…`` and ``v/…``, and the count of rounds."""
        zeros = trees.zeros_like(shared)
        moments = {f"{moment}/{name}": value for moment in "mv" for name, value in zeros.items()}
        return {**moments, "round": torch.zeros(())}

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Take one step of Algorithm 2: ``shared + lr m / (sqrt(v) + tau)``."""
        count = state["round"] + 1
        m = {name: state[f"m/{name}"] * self.beta1 + (1 - self.beta1) * u for name, u in update.items()}
        v = {name: self.second_moment(state[f"v/{name}"], u) for name, u in update.items()}
        lr = self.step_size(int(count))
        stepped = {name: value + lr * m[name] / (v[name].sqrt() + self.tau) for name, value in shared.items()}
        moments = {f"{moment}/{name}": tree[name] for moment, tree in (("m", m), ("v", v)) for name in update}
        return stepped, {**moments, "round": count}

    def second_moment(self, v: Tensor, u: Tensor) -> Tensor:
        """Return the second moment after an update."""
        return v + u * u

    def step_size(self, count: int) -> float:
        """Return the step size of a round, the first one's count being 1."""
        return self.server_lr


@dataclass(frozen=True, kw_only=True)
class Yogi(Adagrad):
    """The second moment moves towards the squared update by a fixed share of its size."""

    beta1: Decay = 0.9
    beta2: Decay = 0.99

    def second_moment(self, v: Tensor, u: Tensor) -> Tensor:
        """Return ``v - (1 - beta2) u² sign(v - u²)``."""
        return v - (1 - self.beta2) * u * u * torch.sign(v - u * u)


@dataclass(frozen=True, kw_only=True)
class Adam(Adagrad):
    """The second moment is a running mean of squared updates."""

    beta1: Decay = 0.9
    beta2: Decay = 0.99
    bias_correction: bool = False

    def second_moment(self, v: Tensor, u: Tensor) -> Tensor:
        """Return ``beta2 v + (1 - beta2) u²``."""
        return v * self.beta2 + (1 - self.beta2) * u * u

    def step_size(self, count: int) -> float:
        """Correct the bias of the first rounds, if asked for."""
        if not self.bias_correction:
            return self.server_lr
        return float(self.server_lr * (1 - self.beta2**count) ** 0.5 / (1 - self.beta1**count))
