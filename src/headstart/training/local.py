"""How a client trains: settings that every gradient method shares."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, PositiveInt

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
from headstart.models.batch import Batch
from headstart.models.losses import CrossEntropy
from headstart.models.model import Model
from headstart.training.augment import Augment, augmented, num_draws
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
        lr_schedule: ``constant``, or ``cosine``: half a cosine from ``client_lr`` to 0 over all steps of the stage,
            those of all its rounds; in a start that trains, over its epochs.
        warmup: share of the stage over which the step size rises from 0, in proportion.
        label_smoothing: share of each label that all classes have alike.
        dropout: share of the features that each example goes without at each step, before the head. Srivastava et al.:
            Dropout. JMLR 2014. https://jmlr.org/papers/v15/srivastava14a.html
        augment: how pictures change by chance at each step, where training begins at the pixels: ``flip``,
            ``flip-crop``, ``crop-color``, ``trivial`` (see ``[training]`` of a study file).
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
    lr_schedule: Literal["constant", "cosine"] = "constant"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: Augment = "none"
    example_clip: Annotated[FiniteFloat, Field(gt=0)] | None = None
    example_noise: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    epsilon: Epsilon | None = None
    delta: Annotated[float, Field(gt=0, le=1e-3)] | None = None
    private_epochs: PositiveInt | None = None

    is_plain: ClassVar[bool] = True
    """Whether the slope is that of the loss alone, so that a head may train in dual form."""

    def __post_init__(self) -> None:
        """Refuse noise that would promise nothing."""
        _refuse_noise_alone(self)
        if self.epsilon is not None:
            _refuse_beside_epsilon(self)
        if self.example_clip is not None:
            _refuse_beside_clip(self)

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

    def build(self, lr_factor: float = 1.0) -> Optimizer:
        """Return the optimiser, its step size times ``lr_factor``."""
        return build_optimizer(self.optimizer, self.client_lr * lr_factor, self.momentum, self.weight_decay)

    def refuse(self, names: Iterable[str], why: str) -> None:
        """Refuse options that do nothing where they stand.

        Raises:
            SettingError: one of them is not at its default.

        >>> LocalTraining(dropout=0.1).refuse(["augment", "dropout"], "is not for this start")
        Traceback (most recent call last):
        headstart.core.errors.SettingError: dropout: is not for this start, received 0.1; leave it out
        """
        for name in names:
            if (value := getattr(self, name)) != getattr(LocalTraining, name):
                raise SettingError(f"{name}: {why}, received {value!r}; leave it out")

    def passes(self, epochs: int, stream: str = "") -> Passes:
        """Return ``epochs`` shuffled passes, or ``local_steps``; ``stream`` names their random order."""
        return Passes(
            batch_size=self.batch_size,
            epochs=epochs,
            steps=self.local_steps,
            balance=self.balance,
            stream=stream,
            draws=num_draws(self.augment),
            feature_draws=self.dropout > 0,
            noise=self.noise,
        )

    def lr_factor(self, done: int, whole: int) -> float:
        """Return what the step size is multiplied by once ``done`` of a stage's ``whole`` steps are taken.

        Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts. ICLR 2017.
        https://arxiv.org/abs/1608.03983 (equation 5, one period). The rise: Goyal et al.: Accurate, Large Minibatch
        SGD. 2017. https://arxiv.org/abs/1706.02677 (section 2.2).

        >>> [round(LocalTraining(lr_schedule="cosine", warmup=0.5).lr_factor(done, 4), 2) for done in range(4)]
        [0.5, 0.85, 0.5, 0.15]
        """
        rise = min(1.0, (done + 1) / (self.warmup * whole)) if self.warmup else 1.0
        return rise * (1 + math.cos(math.pi * done / whole)) / 2 if self.lr_schedule == "cosine" else rise

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
        if self._may_be_dual and not model.still and (dual := data.dual_passes(model, params, passes)):
            walk = DualWalk(params, data.everything(model), dual, self.client_lr, self.momentum, self.weight_decay)
            return (dual.take or _alone)(walk)
        model, passes = self._changed(model), replace(passes, lr_factor=self.lr_factor if self._is_paced else None)
        batches = map(partial(self.drawn, model), data.batches(model, passes))
        arranged, optimizer = model.arranged(params), self.build()
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
        model = self._changed(model)
        batches = map(partial(self.drawn, model), batches)
        if not model.replay:
            return descend(partial(self.slope, model, params), params, state, batches, self.build(lr_factor))
        step = partial(self._step, model, scalable(self.build()))
        state = {**state, "factor": params["head.bias"].new_tensor(lr_factor)}
        params, state = model.replay((self, model, "factor"), step, params, params, state, batches)
        return params, {name: value for name, value in state.items() if name != "factor"}

    @property
    def _is_paced(self) -> bool:
        return self.lr_schedule != "constant" or self.warmup > 0

    @property
    def _may_be_dual(self) -> bool:
        """Whether a head's steps are plain ones of softmax regression on features as they are."""
        is_plain = self.is_plain and self.example_clip is None
        return self.optimizer == "sgd" and is_plain and not (self._is_paced or self.label_smoothing or self.dropout)

    def _changed(self, model: Model) -> Model:
        """Return the model as it trains: on smoothed labels.

        Raises:
            SettingError: an option has no meaning for this model.
        """
        if self.augment != "none" and model.cut:
            raise SettingError(
                f"augment: needs training from the pixels, received {self.augment!r} where features of frozen blocks "
                f'are read; set trainable = "all" (adapt: full_finetune), or leave augment out'
            )
        if self.example_clip is not None:
            # Steps under noise are not the same again but for their numbers.
            model = replace(model, replay=None)
        if not self.label_smoothing:
            return model
        if not model.network.loss.is_softmax:
            raise SettingError(
                f"label_smoothing: is for one class per example, received {self.label_smoothing:g} for another task; "
                "leave it out"
            )
        return model.trained_for(CrossEntropy(self.label_smoothing))

    def drawn(self, model: Model, batch: Batch) -> Batch:
        """Return a batch as chance has it: pictures changed, features dropped.

        Raises:
            SettingError: inputs are to be augmented that are no pictures.
        """
        own = num_draws(self.augment)
        if own and batch.inputs.dim() != _PICTURES + batch.is_stack:
            raise SettingError(
                f"augment: is for pictures, received {self.augment!r} with inputs of another kind; leave it out"
            )
        if batch.draws is None:
            return batch
        inputs = augmented(batch.inputs, batch.draws[..., :own], self.augment)
        keep = (batch.draws[..., own:] >= self.dropout) / (1 - self.dropout) if self.dropout else None
        return replace(batch, inputs=inputs, keep=keep, draws=None)

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
        """Refuse steps whose way is no multiple of a sum of gradients.

        Raises:
            SettingError: they are not SGD's, or differ in size.
        """
        self.refuse(("lr_schedule", "warmup"), "is not for a method that reads mean gradients from a client's way")
        if self.optimizer != "sgd":
            raise SettingError(
                f"optimizer: must be 'sgd' for a method that reads mean gradients from a client's way, received "
                f"'{self.optimizer}'; set optimizer = 'sgd' in this stage"
            )


_PICTURES = 4
"""Axes of a client's batch of pictures."""


def _alone(walk: DualWalk) -> Params:
    return descend_dual([walk])[0]


def _refuse_noise_alone(local: LocalTraining) -> None:
    """Refuse noise on single examples without a clip."""
    for name, value in {"example_noise": local.example_noise, "epsilon": local.epsilon}.items():
        if value and local.example_clip is None:
            raise SettingError(
                f"{name}: needs example_clip, to which the gradient of an example is shortened, received {value:g} "
                f"without; add example_clip, or leave {name} out"
            )


def _refuse_beside_epsilon(local: LocalTraining) -> None:
    """Refuse what epsilon follows from, or is not for."""
    if local.example_noise:
        raise SettingError(
            f"example_noise: follows from epsilon, received {local.example_noise:g} beside an epsilon of "
            f"{local.epsilon:g}; leave one of them out"
        )
    if local.local_steps is not None:
        raise SettingError(
            f"local_steps: must be left out where epsilon is set, which is for whole passes, received "
            f"{local.local_steps}; give example_noise instead of epsilon"
        )


def _refuse_beside_clip(local: LocalTraining) -> None:
    """Refuse what would act differently on steps that hide examples, or tell of them."""
    options = ("lr_schedule", "augment", "warmup", "dropout")
    local.refuse(options, "must be left out where example_clip is set, whose steps are all alike")
    if local.balance != "none":
        raise SettingError(
            f"balance: must be 'none' where example_clip is set, received '{local.balance}': how many examples a class "
            "has would show in every step; leave one of them out"
        )
