"""FedBABU.

Oh, Kim, Yun: FedBABU: Towards Enhanced Representation for Federated Image Classification. ICLR 2022.
https://arxiv.org/abs/2106.06042 (Algorithm 1).

Differs from the paper: fine-tuning after the rounds is the adaptation that follows; the head is as the start left it,
random only where the start is.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.federate.fedavg import FedAvg
from headstart.federate.fedper import OwnHead
from headstart.federate.sharing import Sharing
from headstart.training import ClientData, Model, Tree, trees


@dataclass(frozen=True, kw_only=True)
class FedBabu(FedAvg):
    """Clients train a body together under the first head, which is neither trained nor sent.

    Attributes:
        sharing: what stays with its client, the same for all.
    """

    sharing: Sharing = OwnHead()

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train what is shared."""
        trained = self.local.fit(model, {**shared, **private}, data, self.local_epochs, only=shared)
        return trees.subtract(trees.select(trained, shared), shared), private
