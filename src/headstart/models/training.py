"""The loop that every gradient method shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from headstart.core import trees
from headstart.core.optimizers import Optimizer, build_optimizer
from headstart.core.trees import Params
from headstart.models.batches import Balance, Batch, ClientData
from headstart.models.model import Model

Regularizer = Callable[[Params], Params]
"""Gradient of a term added to the loss, as a function of the current parameters."""


@dataclass(frozen=True, kw_only=True)
class LocalTraining:
    """How a client takes its steps; shared by every method that trains with gradients.

    Attributes:
        client_lr: step size.
        batch_size: examples per step.
        optimizer: ``sgd``, ``adam`` or ``adamw``.
        momentum: of SGD, in [0, 1).
        weight_decay: L2 (decoupled for ``adamw``).
        balance: ``none``, ``loss`` (class-weighted) or ``sampling`` (class-balanced).
    """

    client_lr: float = 0.05
    batch_size: int = 32
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    balance: Balance = "none"

    def fit(
        self,
        model: Model,
        params: Params,
        data: ClientData,
        epochs: int,
        *,
        regularizer: Regularizer | None = None,
        stream: str = "",
    ) -> Params:
        """Train ``params`` for ``epochs`` passes over ``data``."""
        batches = data.batches(
            model, batch_size=self.batch_size, epochs=epochs, balance=self.balance, stream=stream
        )
        optimizer = build_optimizer(self.optimizer, self.client_lr, self.momentum, self.weight_decay)
        return descend(model, params, batches, optimizer, regularizer)


def descend(
    model: Model,
    params: Params,
    batches: Iterable[Batch],
    optimizer: Optimizer,
    regularizer: Regularizer | None = None,
) -> Params:
    """Take one optimiser step per batch, for one client or a stack.

    A client of a stack that has no example in a batch is left as it was, its optimiser state too: weighting its loss
    by zero would not do, since momentum, weight decay and a regulariser would still move it.
    """
    state = optimizer.init(params)
    for batch in batches:
        gradient = model.gradient(params, batch)
        if regularizer is not None:
            gradient = trees.add(gradient, regularizer(params))
        stepped, stepped_state = optimizer.update(gradient, state, params)
        if batch.weights.dim() > 1:
            active = batch.active
            stepped, stepped_state = trees.where(active, stepped, params), trees.where(active, stepped_state, state)
        params, state = stepped, stepped_state
    return params
