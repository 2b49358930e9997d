"""Domain-adaptive pre-training: the encoder goes on guessing masked words, now in the server's own texts.

Gururangan, Marasović, Swayamdipta, Lo, Beltagy, Downey, Smith: Don't Stop Pretraining: Adapt Language Models to Domains
and Tasks. ACL 2020. https://arxiv.org/abs/2004.10964 (section 3).

Differs from the paper: words are guessed by the encoder's token embeddings alone, for most checkpoints come without the
layer that did it; the pass of least loss on held-back texts is kept, and no dropout is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt

from headstart.core.errors import SettingError
from headstart.core.ragged import Ragged
from headstart.core.seeds import derive, numpy_generator
from headstart.core.trees import Params
from headstart.models.checkpoints.masked import MaskedBatch, Texts, masked_gradient, masked_loss, masker
from headstart.models.model import Trainable
from headstart.models.network import Network
from headstart.start.pretrained import fit_head
from headstart.start.protocol import Build, Pool, Tell, silent
from headstart.training.descent import descend
from headstart.training.local import LocalTraining

HELD_BACK = 0.1
"""Share of the texts that say which pass to keep."""


@dataclass(frozen=True, kw_only=True)
class DomainPretrain:
    """Train the checkpoint's encoder on the central pool's texts; labels are not needed.

    Attributes:
        epochs: passes over the texts.
        mask_probability: share of tokens that are hidden.
        local: how steps are taken.
        seed: pre-train once, with this seed, for all seeds of a study; None pre-trains anew for each.
    """

    epochs: PositiveInt = 3
    mask_probability: Annotated[float, Field(gt=0, lt=1)] = 0.15
    local: LocalTraining = field(default=LocalTraining(client_lr=5e-5, optimizer="adamw", weight_decay=0.01))
    seed: NonNegativeInt | None = None

    from_scratch: ClassVar[bool] = False
    knows_something: ClassVar[bool] = True
    trainable: ClassVar[Trainable] = "all"

    def __call__(
        self, build: Build, num_classes: int, pool: Pool | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return the encoder's weights; the head is fitted on the pool if it has the clients' classes, else new."""
        if pool is None or pool.texts is None:
            raise SettingError(
                "start: 'domain_pretrain' needs a central pool of texts, received none; add a [data.central] table"
            )
        network, weights = build(from_scratch=False, num_classes=num_classes)
        body = {name: value for name, value in weights.items() if not name.startswith("head.")}
        trained = {**weights, **self._train(network, body, pool.texts, seed, tell)}
        return network, fit_head(network, trained, pool, tell)

    def _train(self, network: Network, body: Params, texts: Texts, seed: int, tell: Tell) -> Params:
        """Return the weights of the pass with least loss on held-back texts, perhaps the first."""
        rows = numpy_generator(seed, "domain").permutation(len(texts.tokens))
        held_back, rest = np.split(rows, [max(1, round(HELD_BACK * len(rows)))])
        hide = masker(texts.spec, self.mask_probability, derive(seed, "masks"))
        check = [hide(texts.tokens[some]) for some in np.array_split(held_back, -(-len(held_back) // 64))]
        optimizer = self.local.build()
        state, best, best_loss = optimizer.init(body), body, mean_loss(network, body, check)
        for epoch in range(self.epochs):
            batches = self._batches(texts.tokens, rest, (seed, epoch), hide)
            body, state = descend(lambda p, b: masked_gradient(network, p, b), body, state, batches, optimizer)
            loss = mean_loss(network, body, check)
            tell(f"epoch {epoch + 1} of {self.epochs}, loss on masked words {loss:.3f}")
            best, best_loss = (body, loss) if loss < best_loss else (best, best_loss)
        return best

    def _batches(self, tokens: Ragged, rows: Any, key: tuple[int, int], hide: Any) -> Iterator[MaskedBatch]:
        order = numpy_generator(*key, "domain order").permutation(rows)
        for some in np.array_split(order, -(-len(order) // self.local.batch_size)):
            yield hide(tokens[some])


@torch.no_grad()
def mean_loss(network: Network, params: Params, batches: list[MaskedBatch]) -> float:
    """Return the mean loss over batches."""
    return float(np.mean([float(masked_loss(network, params, batch)) for batch in batches]))
