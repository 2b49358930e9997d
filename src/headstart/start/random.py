"""Random weights: nothing is known before the clients train.

He, Zhang, Ren, Sun: Delving Deep into Rectifiers. ICCV 2015. https://arxiv.org/abs/1502.01852.

Differs from the paper: normalisation is by groups, not by batches, which neither averaging nor small clients suit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from headstart.core.seeds import torch_generator
from headstart.core.trees import Params
from headstart.models.network import Network
from headstart.start.protocol import Build, Pool, Tell, silent


@dataclass(frozen=True, kw_only=True)
class Random:
    """Build the network from scratch.

    Attributes:
        head: ``small`` weights, so that all classes start about equally likely, or PyTorch's ``default`` for linear
            layers, ``U(-1/sqrt(features), 1/sqrt(features))``, which other benchmarks use.
    """

    head: Literal["small", "default"] = "small"

    from_scratch: ClassVar[bool] = True
    knows_something: ClassVar[bool] = False

    def __call__(
        self, build: Build, num_classes: int, pool: Pool | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return random weights."""
        network, weights = build(from_scratch=True, num_classes=num_classes)
        return network, weights if self.head == "small" else {**weights, **default_head(weights, seed)}


def default_head(weights: Params, seed: int) -> Params:
    """Return a head of uniform weights, keyed by seed."""
    bound, generator = weights["head.weight"].shape[1] ** -0.5, torch_generator(seed, "head")
    names = ("head.weight", "head.bias")
    return {name: weights[name].clone().uniform_(-bound, bound, generator=generator) for name in names}
