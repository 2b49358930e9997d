"""What self-supervision by two views needs above a network: a projector, a predictor, and the loss between views."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.content import hash_tree
from headstart.core.seeds import torch_generator
from headstart.core.trees import Params, Tree, part

PROJECTOR, PREDICTOR = "projector.", "predictor."

_EPSILON = 1e-3
"""Added to variances, as BatchNorm does."""

_BOTTLENECK = 4
"""The predictor's hidden layer has a fourth of its outputs' width, as in the paper."""


def new_siamese(params: Params, width: int) -> Tree:
    """Return a fresh projector and predictor, named and drawn as PyTorch's layers are.

    They are keyed by the head's content: whoever holds the same weights has the same ones.

    Args:
        params: the network's trainable weights.
        width: outputs of both.
    """
    head = params["head.weight"]
    key = hash_tree({name: value for name, value in params.items() if name.startswith("head.")})
    narrow = max(2, width // _BOTTLENECK)
    shapes = {
        f"{PROJECTOR}0.weight": (width, head.shape[1]),
        f"{PROJECTOR}3.weight": (width, width),
        f"{PREDICTOR}0.weight": (narrow, width),
        f"{PREDICTOR}3.weight": (width, narrow),
    }
    drawn = {name: _uniform(shape, shape[1], key, name).to(head) for name, shape in shapes.items()}
    # Not zero: an example that no hidden unit answers to would be predicted as nothing, which has no direction.
    drawn[f"{PREDICTOR}3.bias"] = _uniform((width,), narrow, key, "bias").to(head)
    scales = {f"{PROJECTOR}1": width, f"{PREDICTOR}1": narrow}
    drawn |= {f"{name}.weight": head.new_ones(size) for name, size in scales.items()}
    return drawn | {f"{name}.bias": head.new_zeros(size) for name, size in scales.items()}


def is_siamese(name: str) -> bool:
    """Say whether a tensor of this name belongs to the projector or the predictor."""
    return name.startswith((PROJECTOR, PREDICTOR))


def siamese_loss(params: Tree, features: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
    """Return the loss of two views of a batch, in [-1, 1], a scalar or one for each client of a stack.

    Minus the mean cosine between what one view predicts and the other's projection, through which no gradient flows.

    Args:
        params: with projector and predictor, of one client or a stack.
        features: of both views, ``(…, batch, features)``.
        weights: of the examples, ``(…, batch)``; 0 marks padding.
    """
    projected = [_projected(part(params, PROJECTOR), view, weights) for view in features]
    predicted = [_predicted(part(params, PREDICTOR), one, weights) for one in projected]
    near = [
        functional.cosine_similarity(one, other.detach(), dim=-1)
        for one, other in zip(predicted, reversed(projected), strict=True)
    ]
    return -((near[0] + near[1]) / 2 * _shares(weights)).sum(-1)


def _projected(layers: Tree, features: Tensor, weights: Tensor) -> Tensor:
    """Linear, BatchNorm, ReLU, linear, and BatchNorm without scale and shift."""
    hidden = _hidden(layers, features, weights)
    return _normalised(hidden @ layers["3.weight"].mT, weights)


def _predicted(layers: Tree, projected: Tensor, weights: Tensor) -> Tensor:
    """Linear, BatchNorm, ReLU, linear."""
    return _hidden(layers, projected, weights) @ layers["3.weight"].mT + layers["3.bias"].unsqueeze(-2)


def _hidden(layers: Tree, inputs: Tensor, weights: Tensor) -> Tensor:
    normal = _normalised(inputs @ layers["0.weight"].mT, weights)
    return functional.relu(normal * layers["1.weight"].unsqueeze(-2) + layers["1.bias"].unsqueeze(-2))


def _normalised(hidden: Tensor, weights: Tensor) -> Tensor:
    """Normalise by the batch's own mean and variance, padding aside."""
    shares = _shares((weights > 0).to(hidden.dtype)).unsqueeze(-1)
    centred = hidden - (shares * hidden).sum(-2, keepdim=True)
    variance = (shares * centred.square()).sum(-2, keepdim=True)
    return centred * torch.rsqrt(variance + _EPSILON)


def _shares(weights: Tensor) -> Tensor:
    """Return each example's share in its client's batch; 0 where a client has none."""
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)


def _uniform(shape: tuple[int, ...], inputs: int, key: str, name: str) -> Tensor:
    bound = 1 / math.sqrt(inputs)
    return torch.empty(shape).uniform_(-bound, bound, generator=torch_generator("siamese", key, name))
