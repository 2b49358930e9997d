"""How a client trains: settings that every gradient method shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, PositiveInt

from headstart.core.errors import SettingError
from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import Balance, ClientData, Passes
from headstart.training.descent import descend, take_step
from headstart.training.dual import DualWalk, descend_dual
from headstart.training.example_noise import ExampleNoise
from headstart.training.optimizers import Optimizer, build_optimizer, scalable

Epsilon = Annotated[FiniteFloat, Field(ge=0.01)]
"""Of a promise; below a hundredth noise would drown everything."""


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
        example_clip: L2 norm, over all that trains, to which the gradient of a single example is shortened; each is
            then in a step on its own, with the same probability. None hides no example.
        example_noise: standard deviation of the noise on the sum of a step's gradients, in ``example_clip``.
        epsilon: that is promised for each single example: the noise of every client follows from it.
        delta: of that promise; None takes one over a client's examples to the power of 1.1, at most 1e-5.
        private_epochs: passes over a client's examples, in all rounds and stages, for which ``epsilon`` is enough;
            a study fills it in.

    Raises:
        SettingError: noise without a clip, or beside what it does not cover.
    """

    client_lr: Annotated[PositiveFloat, Scale(10)] = 0.05
    batch_size: PositiveInt = 32
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[NonNegativeFloat, Scale(10)] = 0.0
    balance: Balance = "none"
    local_steps: PositiveInt | None = None
    example_clip: Annotated[FiniteFloat, Field(gt=0)] | None = None
    example_noise: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    epsilon: Epsilon | None = None
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None
    private_epochs: PositiveInt | None = None

    is_plain: ClassVar[bool] = True
    """Whether the slope is that of the loss alone, so that a head may train in dual form."""

    def __post_init__(self) -> None:
        """Refuse noise that would promise nothing."""
        refuse_odd_noise(self)

    @property
    def noise(self) -> ExampleNoise | None:
        """How steps hide single examples; None where they don't."""
        if self.example_clip is None:
            return None
        return ExampleNoise(
            clip=self.example_clip,
            multiplier=self.example_noise,
            epsilon=self.epsilon,
            delta=self.delta,
            epochs=self.private_epochs,
        )

    @property
    def _is_linear(self) -> bool:
        """Whether steps are linear in the loss's gradients, as those of SGD are, which the dual form needs."""
        return self.optimizer == "sgd" and self.is_plain and self.example_clip is None

    def build(self, lr_factor: float = 1.0) -> Optimizer:
        """Return the optimiser, its step size times ``lr_factor``."""
        return build_optimizer(self.optimizer, self.client_lr * lr_factor, self.momentum, self.weight_decay)

    def passes(self, epochs: int, stream: str = "") -> Passes:
        """Return ``epochs`` shuffled passes, or ``local_steps``; ``stream`` names their random order."""
        return Passes(
            batch_size=self.batch_size,
            epochs=epochs,
            steps=self.local_steps,
            balance=self.balance,
            stream=stream,
            noise=self.noise,
        )

    def fit(self, model: Model, params: Params, data: ClientData, epochs: int, *, stream: str = "") -> Params:
        """Train ``params`` for ``epochs`` passes over ``data``."""
        passes, model = self.passes(epochs, stream), self._prepared(model)
        if self._is_linear and (dual := data.dual_passes(model, params, passes)):
            walk = DualWalk(params, data.everything(model), dual, self.client_lr, self.momentum, self.weight_decay)
            return (dual.take or _alone)(walk)
        arranged, optimizer, batches = model.arranged(params), self.build(), data.batches(model, passes)
        state = optimizer.init(arranged)
        if model.replay:
            step = partial(self._step, model, optimizer)
            return model.replay((self, model), step, params, arranged, state, batches)[0]
        return descend(partial(self.slope, model, params), arranged, state, batches, optimizer)[0]

    def go_on(
        self, model: Model, params: Params, state: Tree, batches: Iterable[Batch], lr_factor: float
    ) -> tuple[Params, Tree]:
        """Return parameters and optimiser state after a step for each batch, its size times ``lr_factor``."""
        model = self._prepared(model)
        if not model.replay:
            return descend(partial(self.slope, model, params), params, state, batches, self.build(lr_factor))
        step = partial(self._step, model, scalable(self.build()))
        state = {**state, "factor": params["head.bias"].new_tensor(lr_factor)}
        params, state = model.replay((self, model, "factor"), step, params, params, state, batches)
        return params, {name: value for name, value in state.items() if name != "factor"}

    def _prepared(self, model: Model) -> Model:
        """Return the model that takes the steps: those under noise are not the same again but for their numbers."""
        return replace(model, replay=None) if self.example_clip is not None else model

    def _step(
        self, model: Model, optimizer: Optimizer, start: Params, params: Params, state: Tree, batch: Batch
    ) -> None:
        take_step(partial(self.slope, model, start), optimizer, params, state, batch)

    def slope(self, model: Model, start: Params, params: Params, batch: Batch) -> Params:
        """Return the gradient at ``params`` of a client that began at ``start``, for one client or a stack."""
        return model.gradient(params, batch)


def _alone(walk: DualWalk) -> Params:
    return descend_dual([walk])[0]


def refuse_odd_noise(local: LocalTraining) -> None:
    """Refuse noise on single examples without a clip, twice, or beside what it does not cover.

    Raises:
        SettingError: as said.
    """
    given = {"example_noise": local.example_noise, "epsilon": local.epsilon}
    for name, value in given.items():
        if value and local.example_clip is None:
            raise SettingError(
                f"{name}: needs example_clip, to which the gradient of an example is shortened, received {value:g} "
                f"without; add example_clip, or leave {name} out"
            )
    if local.epsilon is not None and local.example_noise:
        raise SettingError(
            f"example_noise: follows from epsilon, received {local.example_noise:g} beside an epsilon of "
            f"{local.epsilon:g}; leave one of them out"
        )
    if local.epsilon is not None and local.local_steps is not None:
        raise SettingError(
            f"local_steps: must be left out where epsilon is set, which is for whole passes, received "
            f"{local.local_steps}; give example_noise instead of epsilon"
        )
    if local.example_clip is not None and local.balance != "none":
        raise SettingError(
            f"balance: must be 'none' where example_clip is set, received '{local.balance}': how many examples a class "
            "has would show in every step; leave one of them out"
        )
