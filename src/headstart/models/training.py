"""The loop that every gradient method shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from headstart.core import trees
from headstart.core.optimizers import Optimizer, build_optimizer
from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
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
        momentum: of SGD.
        weight_decay: L2 (decoupled for ``adamw``).
        balance: ``none``, ``loss`` (class-weighted) or ``sampling`` (class-balanced).
        local_steps: take so many steps each time, whatever the number of epochs says; None counts epochs.
    """

    client_lr: PositiveFloat = field(default=0.05, metadata={"search": Scale(10)})
    batch_size: PositiveInt = 32
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NonNegativeFloat = 0.0
    balance: Balance = "none"
    local_steps: PositiveInt | None = None

    def build(self, lr_factor: float = 1.0) -> Optimizer:
        """Return the optimiser, its step size times ``lr_factor``."""
        return build_optimizer(self.optimizer, self.client_lr * lr_factor, self.momentum, self.weight_decay)

    def batches(self, model: Model, data: ClientData, epochs: int, stream: str = "") -> Iterable[Batch]:
        """Return ``epochs`` shuffled passes over ``data``, or ``local_steps``; ``stream`` names their random order."""
        return data.batches(
            model,
            batch_size=self.batch_size,
            epochs=epochs,
            steps=self.local_steps,
            balance=self.balance,
            stream=stream,
        )

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
        optimizer = self.build()
        batches = self.batches(model, data, epochs, stream)
        return descend(model, params, optimizer.init(params), batches, optimizer, regularizer)[0]


def descend(
    model: Model,
    params: Params,
    state: Tree,
    batches: Iterable[Batch],
    optimizer: Optimizer,
    regularizer: Regularizer | None = None,
) -> tuple[Params, Tree]:
    """Take one optimiser step per batch, for one client or a stack; return parameters and optimiser state.

    A client of a stack that has no example in a batch is left as it was, its optimiser state too: weighting its loss
    by zero would not do, since momentum, weight decay and a regulariser would still move it.
    """
    for batch in batches:
        gradient = model.gradient(params, batch)
        if regularizer is not None:
            gradient = trees.add(gradient, regularizer(params))
        stepped, stepped_state = optimizer.update(gradient, state, params)
        if batch.weights.dim() > 1:
            active = batch.active
            stepped = trees.where(active, stepped, params)
            stepped_state = trees.where(active, stepped_state, state)
        params, state = stepped, stepped_state
    return params, state
