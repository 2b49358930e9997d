"""Training an encoder to guess masked words in texts without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from headstart.core.arrays import Array
from headstart.core.ragged import Ragged
from headstart.core.seeds import derive, numpy_generator
from headstart.core.trees import Params
from headstart.models.checkpoints.masked import MaskedBatch, Texts, masked_gradient, masked_loss, masker
from headstart.models.network import Network
from headstart.training.descent import descend
from headstart.training.local import LocalTraining

HELD_BACK = 0.1
"""Share of the texts that say which pass to keep."""

_Hide = Callable[[Ragged], MaskedBatch]


def guess_masked_words(
    network: Network,
    body: Params,
    texts: Texts,
    local: LocalTraining,
    *,
    epochs: int,
    probability: float,
    seed: int,
    tell: Callable[[str], None],
) -> Params:
    """Return the weights of the pass with least loss on held-back texts; ``body`` itself where no pass is better.

    Args:
        network: the encoder.
        body: its weights, without the head's.
        texts: what it reads.
        local: how steps are taken.
        epochs: passes over the texts.
        probability: share of tokens that are hidden.
        seed: keys what is held back, what is hidden and the order.
        tell: told how far it is.
    """
    rows = numpy_generator(seed, "domain").permutation(len(texts.tokens))
    held_back, rest = np.split(rows, [max(1, round(HELD_BACK * len(rows)))])
    hide = _masker(texts, probability, derive(seed, "masks"), next(iter(body.values())).device)
    check = [hide(texts.tokens[some]) for some in np.array_split(held_back, -(-len(held_back) // 64))]
    state, best, best_loss = local.build().init(body), body, _mean_loss(network, body, check)
    for epoch in range(epochs):
        order = numpy_generator(seed, epoch, "domain order").permutation(rest)
        batches = _batches(texts.tokens, order, local.batch_size, hide)
        optimizer = local.build(local.lr_factor(epoch, epochs))
        body, state = descend(lambda p, b: masked_gradient(network, p, b), body, state, batches, optimizer)
        loss = _mean_loss(network, body, check)
        tell(f"epoch {epoch + 1} of {epochs}, loss on masked words {loss:.3f}")
        best, best_loss = (body, loss) if loss < best_loss else (best, best_loss)
    return best


def _masker(texts: Texts, probability: float, seed: int, device: torch.device) -> _Hide:
    """Return what hides words: drawn on the processor, read where the weights are."""
    hide = masker(texts.spec, probability, seed)
    return lambda tokens: hide(tokens).to(device)


def _batches(tokens: Ragged, order: Array, size: int, hide: _Hide) -> Iterator[MaskedBatch]:
    for some in np.array_split(order, -(-len(order) // size)):
        yield hide(tokens[some])


@torch.no_grad()
def _mean_loss(network: Network, params: Params, batches: list[MaskedBatch]) -> float:
    """Return the mean loss over batches."""
    return float(np.mean([float(masked_loss(network, params, batch)) for batch in batches]))
