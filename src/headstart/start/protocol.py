"""What a start says: one function from what the server has to the first weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from headstart.training import ClientData, InputKind, Network, Params, Replay, Task, Tell, Texts


class Build(Protocol):
    """Makes the study's network.

    Attributes:
        shape: of one stored input that it reads.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one stored input."""
        ...

    def __call__(self, task: Task, *, from_scratch: bool) -> tuple[Network, Params]:
        """Return a skeleton and first weights: random, or a checkpoint's with a new head."""
        ...


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Central:
    """The server's own data.

    Attributes:
        train: labelled, what to train on.
        val: labelled, what decides when to stop.
        task: of the pool; None if nothing is labelled.
        is_same: whether that is the clients', of the same classes in the same order.
        texts: all texts, labelled or not; None if the pool holds no texts, or the backbone no checkpoint.
        replay: takes the steps of training on it faster where the device can.
    """

    train: ClientData
    val: ClientData
    task: Task | None
    is_same: bool
    texts: Texts | None = None
    replay: Replay | None = None

    @property
    def labelled(self) -> bool:
        """Whether anything is labelled."""
        return self.task is not None


Need = Literal["checkpoint", "text checkpoint", "labels", "texts"]
"""What a start may need: a backbone with trained weights, one of texts; a central pool with labels, or of texts."""


class Start(Protocol):
    """Where the shared weights come from.

    Attributes:
        is_trained: whether the weights know anything; if not, they follow from the seed and need not be sent.
        needs: what a study must have for it.
        reads: what examples must be; None for anything.
    """

    is_trained: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ()
    reads: ClassVar[InputKind | None] = None

    @property
    def from_scratch(self) -> bool:
        """Whether the network is the variant for random weights: normalised by groups."""
        ...

    def __call__(
        self, build: Build, task: Task, central: Central | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return a network for the clients' ``task`` and its first weights.

        Raises:
            SettingError: the start needs a pool and there is none.
        """
        ...
