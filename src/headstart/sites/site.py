"""A site: its data never leaves; what may is decided here, by its operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from headstart.core.errors import SettingError, nearest
from headstart.core.seeds import Key
from headstart.core.trees import Params
from headstart.data.federation import Client, Federation
from headstart.data.open import open_client
from headstart.data.settings import DataSettings, Standardize
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.engine.ways.serial import Serial
from headstart.models.network import Network
from headstart.sites.messages import Setup
from headstart.sites.settings import NodeSettings, Policy
from headstart.sites.shelf import Shelf
from headstart.study.lab import Lab
from headstart.study.open import DTYPES
from headstart.study.texts import with_tokens


@dataclass(frozen=True)
class Site:
    """One client of a real federation.

    Attributes:
        name: the client's id.
        data: its file or folder.
        state: folder for what it receives and learns.
        policy: what may leave: ``none``, ``counts``, ``metrics`` or ``updates``.
        signer: the only public key (Ed25519, 32 bytes) whose models it takes; None takes any.
        noise: least noise on the sums of a probe, in sensitivities.
        masked: whether it sends sums under masks only.

    Raises:
        SettingError: there is no such policy.
    """

    name: str
    data: Path
    state: Path
    policy: str = NodeSettings.policy
    signer: bytes | None = None
    noise: float = NodeSettings.noise
    masked: bool = NodeSettings.masked

    def __post_init__(self) -> None:
        """Check the policy."""
        if self.policy not in get_args(Policy):
            raise SettingError(f"policy: unknown value '{self.policy}'; {nearest(self.policy, get_args(Policy))}")

    def allows(self, what: Policy) -> bool:
        """Say whether the operator lets this leave."""
        order = get_args(Policy)
        return order.index(what) <= order.index(self.policy)

    @property
    def shelf(self) -> Shelf:
        """What it has received and learnt."""
        return Shelf(self.state)

    def read(self, settings: DataSettings) -> Federation:
        """Read its data as a study reads data; which of its rows take part is its own choice, made with its file."""
        own = replace(
            settings,
            source=str(self.data),
            client=None,
            partition=None,
            central=None,
            held_out_clients=0.0,
            max_examples=None,
            where={},
            standardize=scale_at(settings.standardize),
        )
        return open_client(own, Path(), self.name)

    def open(self, setup: Setup) -> Opened:
        """Open data and model.

        Raises:
            ClientError: the model was never received.
        """
        federation = with_tokens(self.read(setup.data), setup.model)
        lab = Lab(federation, setup.model, Serial(), DTYPES[setup.dtype], self.state)
        network = lab.skeleton(from_scratch=setup.from_scratch)
        return Opened(lab, lab.at(setup.seed).clients[0], network, self.shelf.weights(setup.digest))


def scale_at(how: Standardize) -> Standardize:
    """Return how a site scales its columns: nobody has sums over all sites, so ``auto`` leaves them as they are."""
    return "none" if how == "auto" else how


@dataclass(frozen=True, eq=False)
class Opened:
    """A site's data, its one client at a seed, and the model received."""

    lab: Lab
    client: Client
    network: Network
    weights: Params

    def train(self, *key: Key) -> OneClient:
        """Return the training examples, in an order that ``key`` fixes."""
        return OneClient(self.lab.activations, self.client.id, self.client.train, keyed_order, key)

    @property
    def val(self) -> OneClient:
        """The validation examples."""
        return OneClient(self.lab.activations, self.client.id, self.client.val, keyed_order, ())
