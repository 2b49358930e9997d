"""FedPer.

Arivazhagan, Aggarwal, Singh, Choudhary: Federated Learning with Personalization Layers. 2019.
https://arxiv.org/abs/1912.00818 (Algorithms 1 and 2).

Differs from the paper: the personal layers are the head, one linear layer; all clients begin with the same one, and
who has not taken part yet still has it.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.federate.sharing import Sharing


@dataclass(frozen=True, kw_only=True)
class OwnHead(Sharing):
    """Every client keeps a head of its own."""

    def is_private(self, name: str) -> bool:
        """Keep the head."""
        return name.startswith("head.")
