"""SimSiam, averaged: clients train a body together on their pictures, without labels.

Chen, He: Exploring Simple Siamese Representation Learning. CVPR 2021. https://arxiv.org/abs/2011.10566 (Algorithm 1,
equations 1 to 4). Averaged as by Zhuang, Wen, Zhang: Divergence-aware Federated Self-Supervised Learning. ICLR 2022.
https://arxiv.org/abs/2204.04385 (whose FedSimSiam is that).

Differs from the paper: projector and predictor are narrower, of two layers each as for CIFAR-10 there, and normalise by
a client's own batches, to whose variances more is added for those of few pictures (1e-3, not 1e-5); views have neither
blur nor hue; the step size does not decay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt

from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.federate.server import Average, ServerOptimizer
from headstart.training import (
    Batch,
    ClientData,
    InputKind,
    LocalTraining,
    Model,
    Params,
    Passes,
    Scale,
    SettingError,
    Tensor,
    Tree,
    augmented,
    gradient_of,
    is_siamese,
    new_siamese,
    num_draws,
    siamese_loss,
    trees,
)

_HEAD = ("head.weight", "head.bias")


@dataclass(frozen=True, kw_only=True)
class Siamese(LocalTraining):
    """Every step compares two random views of each picture.

    Batch normalisation leaves slopes that are zero but for rounding, which Adam would take for a direction.

    Attributes:
        optimizer: ``sgd``, as in the paper.
        balance: ``none``: no label is looked at.
        label_smoothing: 0, likewise.
        dropout: 0: no head reads the features.
        augment: how a view differs from its picture.
    """

    optimizer: Literal["sgd"] = "sgd"
    balance: Literal["none"] = "none"
    label_smoothing: Annotated[float, Field(ge=0, le=0)] = 0.0
    dropout: Annotated[float, Field(ge=0, le=0)] = 0.0
    augment: Literal["flip", "flip-crop", "crop-color", "trivial"] = "crop-color"
    is_plain: ClassVar[bool] = False

    def passes(self, epochs: int, stream: str = "") -> Passes:
        """Return shuffled passes whose examples come with what two views draw."""
        return replace(LocalTraining.passes(self, epochs, stream), draws=2 * num_draws(self.augment))

    def drawn(self, model: Model, batch: Batch) -> Batch:
        """Return a batch of pairs of views, ``([clients,] batch, 2, channels, height, width)``."""
        assert batch.draws is not None, "passes ask for draws"
        views = [augmented(batch.inputs, own, self.augment) for own in batch.draws.tensor_split(2, -1)]
        return replace(batch, inputs=torch.stack(views, -4), draws=None)

    def slope(self, model: Model, start: Params, params: Params, batch: Batch) -> Params:
        """Return the gradient of the loss between views."""
        return gradient_of(lambda leaves: self.loss(model, leaves, batch), params)

    def loss(self, model: Model, params: Params, batch: Batch) -> Tensor:
        """Return minus the mean cosine of predicted and projected views, of one client or each of a stack."""
        body = {name: value for name, value in params.items() if not is_siamese(name)}
        first, second = (model.features(body, view) for view in batch.inputs.unbind(-4))
        return siamese_loss(params, (first, second), batch.weights)


@dataclass(frozen=True, kw_only=True)
class SimSiam(Federate):
    """Clients train the body to know a picture again by another view of it; labels are for later stages.

    No label is looked at. Projector and predictor travel with the body and are dropped afterwards; the head stays as it
    was.

    Attributes:
        schedule: rounds and cohorts.
        local_epochs: passes of a client over its data, each round.
        projection: outputs of projector and predictor.
        local: how a client takes its steps.
        server: what the server does with the mean update.
    """

    schedule: Schedule = Schedule()
    local_epochs: Annotated[PositiveInt, Scale(3)] = 1
    projection: PositiveInt = 256
    local: Siamese = Siamese()
    server: ServerOptimizer = Average()

    trainable: ClassVar[Literal["all"]] = "all"
    reads: ClassVar[InputKind | None] = "image"
    fits_head: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse to hide single examples: normalised by their batch, none has a gradient of its own to be clipped.

        Raises:
            SettingError: steps are to clip each.
        """
        if getattr(self.local, "example_clip", None) is not None:
            raise SettingError(
                "federate.example_clip: needs examples that do not touch each other, and 'simsiam' normalises each by "
                "its batch; leave it out, or hide whole clients with clip_norm and noise_multiplier"
            )

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters, a projector and a predictor."""
        if model.is_head_only or model.cut:
            raise SettingError(
                f"federate: 'simsiam' trains all blocks from the pixels up, received '{model.network.name}', "
                "which has none there; take another backbone, such as 'small-cnn' or 'resnet-18'"
            )
        shared = {**params, **new_siamese(params, self.projection)}
        return Begin(shared, {}, self.server.init(shared))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train locally; send ``local - shared``, of which the head's is zero."""
        trained = self.local.fit(model, shared, data, self.local_epochs)
        # Weight decay would shrink a head that waits for labels.
        return trees.subtract({**trained, **trees.select(shared, _HEAD)}, shared), {}

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared body, under the head that it began with."""
        return {name: value for name, value in shared.items() if not is_siamese(name)}

    def objective(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> Tensor:
        """Return the mean loss over the batches of a pass."""
        batches = [self.local.drawn(model, batch) for batch in data.batches(model, self.local.passes(1))]
        return torch.stack([self.local.loss(model, shared, batch) for batch in batches]).mean(0)
