"""Random weights: nothing is known before the clients train.

He, Zhang, Ren, Sun: Delving Deep into Rectifiers. ICCV 2015. https://arxiv.org/abs/1502.01852.

Differs from the paper: normalisation is by groups, not by batches, which neither averaging nor small clients suit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.core.trees import Params
from headstart.models.network import Network
from headstart.start.protocol import Build, Pool, Tell, silent


@dataclass(frozen=True, kw_only=True)
class Random:
    """Build the network from scratch."""

    from_scratch: ClassVar[bool] = True

    def __call__(
        self, build: Build, num_classes: int, pool: Pool | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return random weights."""
        return build(from_scratch=True, num_classes=num_classes)
