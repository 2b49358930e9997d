"""Client optimisers as pairs of functions, so one code steps one client or a stack of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from headstart.core import trees
from headstart.core.errors import SettingError, nearest
from headstart.core.trees import Tree


class Optimizer(NamedTuple):
    """``init(params) -> state``, and ``step(gradient, state, params)``, which changes all three in place.

    The loop that calls it owns these trees; no step allocates what the one before had.
    """

    init: Callable[[Tree], Tree]
    step: Callable[[Tree, Tree, Tree], None]


def sgd(lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent, as ``torch.optim.SGD`` without dampening.

    >>> params = {"w": torch.ones(1)}
    >>> sgd(lr=0.5).step({"w": torch.ones(1)}, {}, params)
    >>> params
    {'w': tensor([0.5000])}
    """

    def init(params: Tree) -> Tree:
        return trees.zeros_like(params) if momentum else {}

    def step(gradient: Tree, state: Tree, params: Tree) -> None:
        for name, p in params.items():
            direction = gradient[name]
            if weight_decay:
                direction = direction.add_(p, alpha=weight_decay)
            if momentum:
                direction = state[name].mul_(momentum).add_(direction)
            p.sub_(direction, alpha=lr)

    return Optimizer(init, step)


def adam(lr: float, weight_decay: float = 0.0, *, decoupled: bool = False) -> Optimizer:
    """Adam (Kingma, Ba 2015), as ``torch.optim.Adam``; AdamW (Loshchilov, Hutter 2019) when ``decoupled``."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def init(params: Tree) -> Tree:
        moments = {f"{moment}/{name}": torch.zeros_like(p) for moment in "mv" for name, p in params.items()}
        # The step count is kept per parameter: a stack's clients stop at different steps.
        counts = {f"t/{name}": torch.zeros_like(p[..., :1] if p.dim() > 1 else p) for name, p in params.items()}
        return moments | counts

    def step(gradient: Tree, state: Tree, params: Tree) -> None:
        for name, p in params.items():
            g = gradient[name]
            if weight_decay and not decoupled:
                g = g.add_(p, alpha=weight_decay)
            m = state[f"m/{name}"].lerp_(g, 1 - beta1)
            v = state[f"v/{name}"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
            t = state[f"t/{name}"].add_(1)
            # 1 - beta^t, without losing it to rounding in float32.
            correction1, correction2 = (-torch.expm1(t * math.log(beta)) for beta in (beta1, beta2))
            denominator = (v / correction2).sqrt_().add_(epsilon)
            if decoupled:
                p.mul_(1 - lr * weight_decay)
            p.sub_((m / correction1).div_(denominator), alpha=lr)

    return Optimizer(init, step)


def scalable(optimizer: Optimizer) -> Optimizer:
    """Return the same optimiser, whose steps are as long as a number of its state says: its ``factor``, ``()``.

    So the step size of steps that are recorded may change.

    >>> params = {"w": torch.ones(1)}
    >>> scalable(sgd(lr=0.5)).step({"w": torch.ones(1)}, {"factor": torch.tensor(0.5)}, params)
    >>> params
    {'w': tensor([0.7500])}
    """

    def step(gradient: Tree, state: Tree, params: Tree) -> None:
        before = trees.clone(params)
        optimizer.step(gradient, state, params)
        for name, value in params.items():
            value.copy_(before[name].lerp(value, state["factor"]))

    return Optimizer(optimizer.init, step)


def build_optimizer(name: str, lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """Build a client optimiser by name.

    Raises:
        SettingError: the name is unknown.
    """
    match name:
        case "sgd":
            return sgd(lr, momentum, weight_decay)
        case "adam" | "adamw":
            return adam(lr, weight_decay, decoupled=name == "adamw")
    raise SettingError(f"optimizer: unknown optimiser '{name}'; {nearest(name, ['sgd', 'adam', 'adamw'])}")
