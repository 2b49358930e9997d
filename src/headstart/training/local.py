"""How a client trains: settings that every gradient method shares."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import Balance, ClientData, Passes
from headstart.training.descent import descend, take_step
from headstart.training.dual import DualWalk, descend_dual
from headstart.training.optimizers import Optimizer, build_optimizer, scalable


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

    client_lr: Annotated[PositiveFloat, Scale(10)] = 0.05
    batch_size: PositiveInt = 32
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[NonNegativeFloat, Scale(10)] = 0.0
    balance: Balance = "none"
    local_steps: PositiveInt | None = None

    is_plain: ClassVar[bool] = True
    """Whether the slope is that of the loss alone, so that a head may train in dual form."""

    def build(self, lr_factor: float = 1.0) -> Optimizer:
        """Return the optimiser, its step size times ``lr_factor``."""
        return build_optimizer(self.optimizer, self.client_lr * lr_factor, self.momentum, self.weight_decay)

    def passes(self, epochs: int, stream: str = "") -> Passes:
        """Return ``epochs`` shuffled passes, or ``local_steps``; ``stream`` names their random order."""
        return Passes(
            batch_size=self.batch_size, epochs=epochs, steps=self.local_steps, balance=self.balance, stream=stream
        )

    def fit(
        self,
        model: Model,
        params: Params,
        data: ClientData,
        epochs: int,
        *,
        stream: str = "",
        only: Container[str] | None = None,
        anchor: Params | None = None,
    ) -> Params:
        """Train ``params`` for ``epochs`` passes over ``data``.

        Args:
            model: what they are parameters of.
            params: where the client begins.
            data: the client's.
            epochs: passes.
            stream: names the random order of examples.
            only: names of what trains; nothing moves the others, no decay either. None trains all.
            anchor: what the slope is told that the client began at; None tells the truth.
        """
        passes = self.passes(epochs, stream)
        moving = trees.select(params, [name for name in params if only is None or name in only])
        model = model.holding(params.keys() - moving.keys())
        # Only SGD is linear in its gradients, which the dual form needs.
        if (
            self.optimizer == "sgd"
            and self.is_plain
            and not model.still
            and (dual := data.dual_passes(model, params, passes))
        ):
            walk = DualWalk(params, data.everything(model), dual, self.client_lr, self.momentum, self.weight_decay)
            return (dual.take or _alone)(walk)
        arranged, optimizer, batches = model.arranged(params), self.build(), data.batches(model, passes)
        start = {**arranged, **trees.select(anchor or params, moving)}
        moving = trees.select(arranged, moving)
        state = optimizer.init(moving)
        if model.replay:
            step = partial(self._step, model, optimizer)
            trained = model.replay((self, model), step, start, moving, state, batches)[0]
        else:
            trained = descend(partial(self._slope, model, start), moving, state, batches, optimizer)[0]
        return {**params, **trained}

    def go_on(
        self, model: Model, params: Params, state: Tree, batches: Iterable[Batch], lr_factor: float
    ) -> tuple[Params, Tree]:
        """Return parameters and optimiser state after a step for each batch, its size times ``lr_factor``."""
        if not model.replay:
            return descend(partial(self.slope, model, params), params, state, batches, self.build(lr_factor))
        step = partial(self._step, model, scalable(self.build()))
        state = {**state, "factor": params["head.bias"].new_tensor(lr_factor)}
        params, state = model.replay((self, model, "factor"), step, params, params, state, batches)
        return params, {name: value for name, value in state.items() if name != "factor"}

    def _step(
        self, model: Model, optimizer: Optimizer, start: Params, params: Params, state: Tree, batch: Batch
    ) -> None:
        take_step(partial(self._slope, model, start), optimizer, params, state, batch)

    def _slope(self, model: Model, start: Params, moving: Params, batch: Batch) -> Params:
        """Return the gradient of what moves; the rest is where the client began."""
        return trees.select(self.slope(model, start, {**start, **moving}, batch), moving)

    def slope(self, model: Model, start: Params, params: Params, batch: Batch) -> Params:
        """Return the gradient at ``params`` of a client that began at ``start``, for one client or a stack."""
        return model.gradient(params, batch)

    def mean_gradient(self, model: Model, update: Tree, data: ClientData, epochs: int) -> Tree:
        """Return the mean of the slopes whose steps led to ``update``, of SGD; with momentum, as these weigh in it."""
        steps = self.passes(epochs).num_steps(data.everything(model).weights.double().sum(-1)).clamp(min=1)
        m = self.momentum
        weight = (steps - m * (1 - m**steps) / (1 - m)) / (1 - m)
        return trees.divide(update, -self.client_lr * weight)

    def check_gradients_add_up(self) -> None:
        """Refuse an optimiser whose way is no sum of gradients.

        Raises:
            SettingError: it is not SGD.
        """
        if self.optimizer != "sgd":
            raise SettingError(
                f"optimizer: must be 'sgd' for a method that reads mean gradients from a client's way, received "
                f"'{self.optimizer}'; set optimizer = 'sgd' in this stage"
            )


def _alone(walk: DualWalk) -> Params:
    return descend_dual([walk])[0]
