"""Compute: floating-point operations of one example at a cut, counted by PyTorch operation by operation.

Matrix products, convolutions and attention count, a multiply-add as two; element-wise work, which is small
beside them, does not (``torch.utils.flop_counter``). Gradients in closed form count as the products they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from headstart.core.trees import Params
from headstart.costs.counting import Flops
from headstart.models.batch import Batch
from headstart.models.model import Model


@dataclass(frozen=True)
class _ExampleFlops:
    """FLOPs of one example.

    Attributes:
        frozen: forward through the frozen part; spent once, since the activations at the cut are kept.
        forward: forward through the trainable part; spent on each prediction.
        training: forward and backward through the trainable part; spent on each pass.
    """

    frozen: int
    forward: int
    training: int


def flops_per_example(model: Model, params: Params, raw: Tensor) -> _ExampleFlops:
    """Count one example's FLOPs at the model's cut.

    Args:
        model: network, cut and frozen weights.
        params: the trainable weights.
        raw: one raw example, ``(1, …)``.
    """
    activations = model.activations(raw)
    batch = Batch(activations, torch.zeros(1, dtype=torch.int64), torch.ones(1))
    return _ExampleFlops(
        frozen=count_flops(lambda: model.activations(raw)),
        forward=count_flops(lambda: model.logits(params, activations)),
        training=count_flops(lambda: model.gradient(params, batch)),
    )


def count_flops(work: Callable[[], Any]) -> int:
    """Do ``work`` and count its FLOPs.

    >>> count_flops(lambda: torch.ones(2, 3) @ torch.ones(3, 5))
    60
    """
    with Flops() as counter:
        work()
    return int(counter.total)
