"""What goes from stage to stage: what rounds left, and what clients received."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headstart.core.trees import Params, Tree
from headstart.data.federation import Client
from headstart.federate.protocol import Federate
from headstart.models.model import Model


@dataclass(frozen=True)
class Exclusion:
    """A client left out of one round, and why."""

    client: str
    round: int
    reason: str


@dataclass(frozen=True)
class Traffic:
    """Bytes that crossed the network so far: what the server sent, and what the clients sent."""

    download: int = 0
    upload: int = 0

    @property
    def total(self) -> int:
        """Both ways together."""
        return self.download + self.upload


@dataclass(frozen=True)
class Federated:
    """What a federated stage leaves.

    Attributes:
        shared: the shared tree after the last round.
        privates: private trees by client id, of the clients that took part.
        newcomer: private tree of a client that never took part.
        traffic: bytes of all rounds.
        excluded: clients left out of rounds.
        rounds: rounds that were carried out.
        state: what the server keeps to itself, such as an optimiser's moments.
        halved: clients that held more examples than the others of a round together, and counted half of its mean.
    """

    shared: Tree
    privates: Mapping[str, Tree]
    newcomer: Tree
    traffic: Traffic = Traffic()
    excluded: tuple[Exclusion, ...] = ()
    rounds: int = 0
    state: Tree = field(default_factory=dict)
    halved: tuple[str, ...] = ()

    def private(self, client: Client) -> Tree:
        """Return a client's private tree, where a newcomer's is."""
        found = self.privates.get(client.id, self.newcomer)
        return {name: value.to(self.newcomer[name].device) for name, value in found.items()}


@dataclass(frozen=True)
class Received:
    """What the clients received: parameters, and where the model is cut.

    Attributes:
        model: cut where the federated stage cut it.
        params: the shared parameters.
        method: the federated method; None when nothing was federated.
        federated: what its rounds left; None when nothing was federated.
    """

    model: Model
    params: Params
    method: Federate | None = None
    federated: Federated | None = None

    def of(self, client: Client) -> Params:
        """Return the parameters with which a client starts to adapt."""
        if self.method is None or self.federated is None:
            return self.params
        return self.method.personal_params(self.model, self.federated.shared, self.federated.private(client))

    @property
    def common(self) -> Params:
        """The parameters with which every client starts, where they are the same; else a newcomer's."""
        if self.method is None or self.federated is None:
            return self.params
        return self.method.personal_params(self.model, self.federated.shared, self.federated.newcomer)

    @property
    def is_personal(self) -> bool:
        """Whether clients received different parameters."""
        if self.method is None or self.federated is None:
            return False
        return self.method.personal and bool(self.federated.newcomer)
