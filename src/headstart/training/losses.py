"""What parameters are worth on a client's own training examples, for one client or a stack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import vmap

from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import ClientData, Passes


@torch.no_grad()
def training_losses(model: Model, candidates: Sequence[Params], data: ClientData, batch_size: int) -> Tensor:
    """Return the mean loss of each candidate over a client's examples, ``(candidates,)`` or ``(candidates, clients)``.

    A loss that compares examples, as that of survival does, compares those of one batch.

    Args:
        model: where the parameters belong.
        candidates: trees of parameters; stacks, where the data are a stack's.
        data: the examples, each met once.
        batch_size: examples at once.
    """
    total, count = torch.zeros(()), torch.zeros(())
    for batch in data.batches(model, Passes(batch_size=batch_size, stream="loss")):
        found = torch.stack([_mean(model, params, batch) for params in candidates])
        weight = batch.weights.sum(-1)
        # A client of a stack that has no example left has no mean.
        total = total.to(found) + torch.where(batch.active, found * weight, 0)
        count = count.to(found) + weight
    return total / count


def _mean(model: Model, params: Params, batch: Batch) -> Tensor:
    mean = model.network.loss.mean
    scores = model.logits(params, batch.inputs)
    each = vmap(mean) if batch.is_stack else mean
    found: Tensor = each(scores, batch.labels, batch.weights)
    return found
