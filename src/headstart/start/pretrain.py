"""Pre-training on the server's central pool, from random weights or from a checkpoint.

Nguyen, Wang, Malik, Sanjabi, Rabbat: Where to Begin? On the Impact of Pre-Training and Initialization in Federated
Learning. ICLR 2023. https://arxiv.org/abs/2206.15387.

Differs from the paper: the pool is the user's own; training stops early on the pool's validation part, and the step
size follows half a cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt

from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.models.model import Model, Trainable, cut_at, weighted_loss
from headstart.models.network import Network
from headstart.models.registry import new_head
from headstart.start.protocol import Build, Pool, Tell, silent
from headstart.training.client_data import ClientData, Passes
from headstart.training.descent import descend
from headstart.training.local import LocalTraining


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Train on the central pool and keep the epoch of least validation loss.

    Attributes:
        origin: ``random`` weights, or the backbone's ``checkpoint``.
        epochs: passes over the pool at most.
        patience: epochs without improvement before stopping.
        trainable: where the model is cut while pre-training.
        local: how steps are taken.
        seed: pre-train once, with this seed, for all seeds of a study; None pre-trains anew for each.
    """

    origin: Literal["random", "checkpoint"] = "random"
    epochs: PositiveInt = 20
    patience: PositiveInt = 5
    trainable: Trainable = "all"
    local: LocalTraining = field(default=LocalTraining(client_lr=0.01, momentum=0.9))
    seed: NonNegativeInt | None = None

    knows_something: ClassVar[bool] = True

    @property
    def from_scratch(self) -> bool:
        """Whether the network is the variant for random weights."""
        return self.origin == "random"

    def __call__(
        self, build: Build, num_classes: int, pool: Pool | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return the pre-trained weights; the head is new where the pool has other classes."""
        if pool is None or not pool.labelled:
            raise SettingError(
                "start: 'pretrain' needs a labelled central pool, received none; add a [data.central] table"
            )
        network, weights = build(from_scratch=self.from_scratch, num_classes=pool.num_classes)
        model, params = cut_at(network, weights, self.trainable)
        best = train_until_stale(model, params, pool, self.local, self.epochs, self.patience, tell)
        if best is params:
            raise SettingError(
                f"start.client_lr: pre-training must lower the pool's validation loss, and {self.local.client_lr:g} "
                f"did not in {self.epochs} epochs; give a smaller client_lr, or a larger pool"
            )
        trained = model.weights(best)
        return (network, trained) if pool.same_classes else new_head(network, trained, num_classes, seed)


def train_until_stale(
    model: Model, params: Params, pool: Pool, local: LocalTraining, epochs: int, patience: int, tell: Tell
) -> Params:
    """Train with half a cosine of step sizes; return the parameters of least validation loss, perhaps the first."""
    state = local.build().init(params)
    best, best_loss, stale = params, mean_loss(model, params, pool.val), 0
    for epoch in range(epochs):
        optimizer = local.build(lr_factor=(1 + math.cos(math.pi * epoch / epochs)) / 2)
        batches = pool.train.batches(model, local.passes(1, stream=f"pretrain-{epoch}"))
        params, state = descend(model.gradient, params, state, batches, optimizer)
        loss = mean_loss(model, params, pool.val)
        tell(f"epoch {epoch + 1} of {epochs}, validation loss {loss:.3f}")
        best, best_loss, stale = (params, loss, 0) if loss < best_loss else (best, best_loss, stale + 1)
        if stale >= patience:
            break
    return best


def mean_loss(model: Model, params: Params, data: ClientData) -> float:
    """Return the mean cross-entropy over ``data``."""
    total, count = 0.0, 0
    for batch in data.batches(model, Passes(batch_size=256)):
        size = len(batch.labels)
        total += float(weighted_loss(model.logits(params, batch.inputs), batch)) * size
        count += size
    return total / max(count, 1)
