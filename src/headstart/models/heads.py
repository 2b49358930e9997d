"""Linear heads, of one client or of a stack: scores, and their gradient in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.losses import CROSS_ENTROPY, Loss


def head_logits(params: Params, features: Tensor) -> Tensor:
    """Return ``features @ weight' + bias``, for one head or for a stack of heads."""
    weight, bias = params["head.weight"], params["head.bias"]
    return features.to(weight.dtype) @ weight.mT + bias.unsqueeze(-2)


def head_gradient(params: Params, batch: Batch, loss: Loss = CROSS_ENTROPY) -> Params:
    """Return the closed-form gradient of a linear head: ``slope' features``, such as of ``softmax - onehot``.

    No graph is built, and a stack of clients is two batched matrix products.
    """
    features = batch.inputs.to(params["head.weight"].dtype)
    if batch.keep is not None:
        features = features * batch.keep
    residual = loss.slope(head_logits(params, features), batch.labels, batch.weights)
    bias = residual.sum(-2) if loss.has_intercept else torch.zeros_like(residual[..., 0, :])
    return {"head.weight": residual.mT @ features, "head.bias": bias}
