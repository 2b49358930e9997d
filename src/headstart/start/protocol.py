"""What a start says: one function from what the server has to the first weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from headstart.core.trees import Params
from headstart.models.checkpoints.masked import Texts
from headstart.models.network import Network
from headstart.training.client_data import ClientData


class Build(Protocol):
    """Makes the study's network."""

    def __call__(self, *, from_scratch: bool, num_classes: int) -> tuple[Network, Params]:
        """Return a skeleton and first weights: random, or a checkpoint's with a new head."""
        ...


Tell = Callable[[str], None]
"""Told in a few words how far a start is."""


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Pool:
    """The server's own data.

    Attributes:
        train: labelled, what to train on.
        val: labelled, what decides when to stop.
        num_classes: classes of the pool; 0 if nothing is labelled.
        same_classes: whether they are the clients' classes, in the clients' order.
        texts: all texts, labelled or not; None if the pool holds no texts, or the backbone no checkpoint.
    """

    train: ClientData
    val: ClientData
    num_classes: int
    same_classes: bool
    texts: Texts | None = None

    @property
    def labelled(self) -> bool:
        """Whether anything is labelled."""
        return self.num_classes > 0


class Start(Protocol):
    """Where the shared weights come from.

    Attributes:
        knows_something: whether the weights have learnt from anything before the clients train.
    """

    knows_something: ClassVar[bool]

    @property
    def from_scratch(self) -> bool:
        """Whether the network is the variant for random weights: normalised by groups."""
        ...

    def __call__(
        self, build: Build, num_classes: int, pool: Pool | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return a network for the clients' ``num_classes`` and its first weights.

        Raises:
            SettingError: the start needs a pool and there is none.
        """
        ...
