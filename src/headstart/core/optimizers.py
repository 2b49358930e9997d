"""Client optimisers as pairs of pure functions, so one code steps one client or a stack of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from headstart.core import trees
from headstart.core.errors import SettingError, nearest
from headstart.core.trees import Tree


class Optimizer(NamedTuple):
    """``init(params) -> state`` and ``update(gradient, state, params) -> (params, state)``."""

    init: Callable[[Tree], Tree]
    update: Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]


def sgd(lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent, as ``torch.optim.SGD`` without dampening.

    >>> step = sgd(lr=0.5)
    >>> step.update({"w": torch.ones(1)}, {}, {"w": torch.ones(1)})[0]
    {'w': tensor([0.5000])}
    """

    def init(params: Tree) -> Tree:
        return trees.zeros_like(params) if momentum else {}

    def update(gradient: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        if weight_decay:
            gradient = trees.map_tree(lambda g, p: g.add(p, alpha=weight_decay), gradient, params)
        if momentum:
            state = trees.map_tree(lambda v, g: v * momentum + g, state, gradient)
            gradient = state
        return trees.map_tree(lambda p, g: p.sub(g, alpha=lr), params, gradient), state

    return Optimizer(init, update)


def adam(lr: float, weight_decay: float = 0.0, *, decoupled: bool = False) -> Optimizer:
    """Adam (Kingma, Ba 2015), as ``torch.optim.Adam``; AdamW (Loshchilov, Hutter 2019) when ``decoupled``."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def init(params: Tree) -> Tree:
        moments = {f"{moment}/{name}": torch.zeros_like(p) for moment in "mv" for name, p in params.items()}
        # The step count is kept per parameter: a stack's clients stop at different steps.
        counts = {f"t/{name}": torch.zeros_like(p[..., :1] if p.dim() else p) for name, p in params.items()}
        return moments | counts

    def update(gradient: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        new_params: Tree = {}
        new_state: Tree = {}
        for name, p in params.items():
            g = gradient[name] if decoupled or not weight_decay else gradient[name] + weight_decay * p
            m = state[f"m/{name}"].lerp(g, 1 - beta1)
            v = state[f"v/{name}"] * beta2 + (1 - beta2) * g * g
            t = state[f"t/{name}"] + 1
            # 1 - beta^t, without losing it to rounding in float32.
            correction1, correction2 = (-torch.expm1(t * math.log(beta)) for beta in (beta1, beta2))
            denominator = (v / correction2).sqrt() + epsilon
            decayed = p * (1 - lr * weight_decay) if decoupled else p
            new_params[name] = decayed - lr * (m / correction1) / denominator
            new_state |= {f"m/{name}": m, f"v/{name}": v, f"t/{name}": t}
        return new_params, new_state

    return Optimizer(init, update)


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
