"""FedBABU.

Oh, Kim, Yun: FedBABU: Towards Enhanced Representation for Federated Image Classification. ICLR 2022.
https://arxiv.org/abs/2106.06042 (Algorithm 1).

Differs from the paper: fine-tuning after the rounds is the adaptation that follows; the head is the start's, random
only where the start is; one that is smaller than PyTorch's first heads is scaled up to their size, for a body hardly
moves under next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.federate.fedavg import FedAvg
from headstart.federate.fedper import OwnHead
from headstart.federate.protocol import Begin
from headstart.federate.sharing import Sharing
from headstart.training import ClientData, Model, Params, Tree, trees


@dataclass(frozen=True, kw_only=True)
class FedBabu(FedAvg):
    """Clients train a body together under the first head, which is neither trained nor sent.

    Attributes:
        sharing: what stays with its client, the same for all.
    """

    sharing: Sharing = OwnHead()

    def init(self, model: Model, params: Params) -> Begin:
        """Share the body; every client has the first head, in a size that a body feels."""
        weight = params["head.weight"]
        size, usual = weight.square().mean().sqrt(), (3 * weight.shape[-1]) ** -0.5
        larger = (usual / size.clamp(min=1e-12)).clamp(min=1)
        return FedAvg.init(self, model, {**params, "head.weight": weight * larger})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train what is shared."""
        trained = self.local.fit(model, {**shared, **private}, data, self.local_epochs, only=shared)
        return trees.subtract(trees.select(trained, shared), shared), private
