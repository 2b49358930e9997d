"""FedSA-LoRA.

Guo, Zeng, Wang, Fan, Wang, Qu: Selective Aggregation for Low-Rank Adaptation in Federated Learning. ICLR 2025.
https://arxiv.org/abs/2410.01463.

Differs from the paper: a classification head trains and is averaged with A; a client that has not taken part yet has
the first B, which changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.federate.sharing import Sharing


@dataclass(frozen=True, kw_only=True)
class OwnB(Sharing):
    """The A of low-rank adapters and the head are shared; every client keeps a B of its own."""

    def is_private(self, name: str) -> bool:
        """Keep every B."""
        return name.endswith(".B")
