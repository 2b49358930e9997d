"""Random weights: nothing is known before the clients train.

He, Zhang, Ren, Sun: Delving Deep into Rectifiers. ICCV 2015. https://arxiv.org/abs/1502.01852.

Differs from the paper: normalisation is by groups, not by batches, which neither averaging nor small clients suit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from headstart.start.protocol import Build, Central, Start, silent
from headstart.training import Network, Params, Task, Tell, torch_generator


@dataclass(frozen=True, kw_only=True)
class Random(Start):
    """Build the network from scratch.

    Attributes:
        head: ``small`` weights, so that all classes start about equally likely, or PyTorch's ``default`` for linear
            layers, ``U(-1/sqrt(features), 1/sqrt(features))``, which other benchmarks use.
    """

    head: Literal["small", "default"] = "small"

    from_scratch: ClassVar[bool] = True
    is_trained: ClassVar[bool] = False

    def __call__(
        self, build: Build, task: Task, central: Central | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return random weights."""
        network, weights = build(task, from_scratch=True)
        return network, weights if self.head == "small" else {**weights, **_default_head(weights, seed)}


def _default_head(weights: Params, seed: int) -> Params:
    """Return a head of uniform weights, keyed by seed."""
    bound, generator = weights["head.weight"].shape[1] ** -0.5, torch_generator(seed, "head")
    names = ("head.weight", "head.bias")
    # Drawn on the processor: a card has other random numbers.
    drawn = {name: torch.empty(weights[name].shape, dtype=weights[name].dtype) for name in names}
    return {name: drawn[name].uniform_(-bound, bound, generator=generator).to(weights[name]) for name in names}
