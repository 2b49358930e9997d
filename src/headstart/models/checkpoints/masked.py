"""Masked language modelling with an encoder's own blocks: which tokens are hidden, and how well they are guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from headstart.core import trees
from headstart.core.device import lowered
from headstart.core.errors import require
from headstart.core.ragged import Ragged
from headstart.core.trees import Params
from headstart.models.checkpoints.encoders import EXTRA
from headstart.models.checkpoints.tokens import read_tokenizer
from headstart.models.network import Network
from headstart.models.spec import ModelSpec

NOT_HIDDEN = -100
"""The label of a token that is not to be guessed."""


@dataclass(frozen=True)
class Texts:
    """Texts without labels, and the checkpoint that reads them.

    Attributes:
        tokens: of the texts.
        spec: the checkpoint.
    """

    tokens: Ragged
    spec: ModelSpec


@dataclass(frozen=True)
class MaskedBatch:
    """Texts in which some tokens are hidden.

    Attributes:
        tokens: ``(batch, tokens)``, -1 where padded.
        labels: the hidden tokens, -100 for all others; same shape.
        lr_factor: steps are of one size.
    """

    tokens: Tensor
    labels: Tensor
    full: bool = True
    lr_factor: ClassVar[None] = None

    @property
    def active(self) -> Tensor:
        """A batch always has texts."""
        return torch.tensor(True)

    def to(self, device: torch.device) -> MaskedBatch:
        """Return the same on a device."""
        return replace(self, tokens=self.tokens.to(device), labels=self.labels.to(device))


def masker(spec: ModelSpec, probability: float, seed: int) -> Callable[[Ragged], MaskedBatch]:
    """Return what hides tokens of a few texts at a time: Transformers' collator, its draws keyed by ``seed``."""
    tokenizer, _ = read_tokenizer(spec)
    # Some versions take a seed of 0 for none.
    collator = require("transformers", EXTRA).DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=probability, seed=seed % 2**63 or 1
    )

    def hide(texts: Ragged) -> MaskedBatch:
        batch = collator([{"input_ids": row.tolist(), "attention_mask": [1] * len(row)} for row in texts])
        return MaskedBatch(batch["input_ids"].where(batch["attention_mask"] > 0, -1), batch["labels"])

    return hide


class _Guess(nn.Module):
    """An encoder up to its last states, and scores of all tokens from them by the encoder's own token embeddings."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        tables = {name: part for name, part in network.named_modules() if isinstance(part, nn.Embedding)}
        # By name: one module in two places would be given its weights twice.
        self.table = max(tables, key=lambda name: tables[name].num_embeddings)

    def forward(self, batch: MaskedBatch) -> Tensor:
        """Return the mean cross-entropy over hidden tokens, 0 if there are none."""
        *blocks, last = self.network.blocks
        states = self.network.prepare(batch.tokens)
        last_layer: Any = last
        with lowered(states.device, self.network.precision):
            for block in (*blocks, last_layer[0]):
                states = block(states)
        hidden = batch.labels != NOT_HIDDEN
        table: Any = self.network.get_submodule(self.table)
        scores = states[..., :-1][hidden].to(table.weight.dtype) @ table.weight.mT
        return functional.cross_entropy(scores, batch.labels[hidden], reduction="sum") / hidden.sum().clamp_min(1)


def masked_loss(network: Network, params: Params, batch: MaskedBatch) -> Tensor:
    """Return the loss of the network's blocks with the weights ``params``."""
    weights = {f"network.{name}": value for name, value in params.items()}
    result: Tensor = functional_call(_Guess(network), weights, (batch,))
    return result


def masked_gradient(network: Network, params: Params, batch: MaskedBatch) -> Params:
    """Return the loss's gradient with respect to ``params``."""
    leaves = trees.map_tree(lambda value: value.detach().requires_grad_(), params)
    loss = masked_loss(network, leaves, batch)
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(leaves, gradients, strict=True))
