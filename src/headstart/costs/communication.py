"""Communication: bytes that cross the network, counted on the tensors sent; no headers, no compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from headstart.core.trees import Params, Tree, num_bytes
from headstart.models.model import Model


class Federated(Protocol):
    """The part of a federated method that costs depend on; ``headstart.federate.protocol`` says the whole."""

    pooled: Any

    @property
    def schedule(self) -> Any:
        """Has ``rounds`` and ``cohort_size`` (None for all)."""
        ...

    @property
    def trainable(self) -> Any:
        """Where the model is cut."""
        ...

    def init(self, model: Model, params: Params) -> Any:
        """Return shared, private and server state."""
        ...

    def client_update(self, model: Model, shared: Tree, private: Tree, data: Any) -> tuple[Tree, Tree]:
        """Return the update and the new private state."""
        ...


@dataclass(frozen=True)
class Communication:
    """Bytes of one federated stage.

    Attributes:
        download_per_round: what the server sends to one client of a cohort.
        upload_per_round: what this client sends back.
        rounds: number of rounds.
        clients_per_round: size of a cohort.
    """

    download_per_round: int
    upload_per_round: int
    rounds: int
    clients_per_round: int

    @property
    def download_bytes(self) -> int:
        """Bytes from the server, all rounds and clients."""
        return self.download_per_round * self.rounds * self.clients_per_round

    @property
    def upload_bytes(self) -> int:
        """Bytes to the server, all rounds and clients."""
        return self.upload_per_round * self.rounds * self.clients_per_round

    @property
    def total_bytes(self) -> int:
        """Bytes both ways, all rounds and clients."""
        return self.download_bytes + self.upload_bytes


def communication(method: Federated, shared: Tree, update: Tree, clients_per_round: int) -> Communication:
    """Count the bytes of a federated method on the tensors that it sends.

    Args:
        method: says how many rounds.
        shared: what the server sends.
        update: what one client sends back.
        clients_per_round: size of a cohort.
    """
    return Communication(num_bytes(shared), num_bytes(update), method.schedule.rounds, clients_per_round)
