"""FedRep.

Collins, Hassani, Mokhtari, Shakkottai: Exploiting Shared Representations for Personalized Federated Learning. ICML
2021. https://arxiv.org/abs/2102.07078 (Algorithm 1).

Differs from the paper: both phases count passes over the client's data where its Algorithm 1 counts steps, one for the
body; a client that has not taken part yet has the first head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import PositiveInt

from headstart.federate.fedavg import FedAvg
from headstart.federate.fedper import OwnHead
from headstart.federate.sharing import Sharing
from headstart.training import ClientData, Model, Scale, Tree, trees


@dataclass(frozen=True, kw_only=True)
class FedRep(FedAvg):
    """Clients fit heads of their own to the body that they receive, then the body to these.

    Attributes:
        head_epochs: passes that train the head, each round; ``local_epochs`` passes that train the body follow.
        sharing: what stays with its client.
    """

    head_epochs: Annotated[PositiveInt, Scale(3)] = 5
    sharing: Sharing = OwnHead()

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train what is private, then what is shared."""
        fitted = self.local.fit(model, {**shared, **private}, data, self.head_epochs, stream="head", only=private)
        trained = self.local.fit(model, fitted, data, self.local_epochs, only=shared)
        return trees.subtract(trees.select(trained, shared), shared), trees.select(fitted, private)
