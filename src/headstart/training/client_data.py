"""What a method sees of a client's data: batches, in an order the engine has fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from torch import Tensor

from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.model import Model

if TYPE_CHECKING:
    from headstart.training.dual import DualWalk

Size = TypeVar("Size", int, Tensor)
"""Numbers of examples, of one client or of several."""

Balance = Literal["none", "loss", "sampling"]
"""Care for imbalanced classes: none, a class-weighted loss, or class-balanced sampling."""


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Shuffled passes of a client over its data.

    Attributes:
        batch_size: examples per step; the last batch of an epoch may be smaller (padded, in a stack).
        epochs: passes over the data.
        steps: number of minibatches, over as many passes as that takes; None counts epochs.
        balance: care for imbalanced classes.
        stream: names the random order, so that two phases of one method differ.
    """

    batch_size: int
    epochs: int = 1
    steps: int | None = None
    balance: Balance = "none"
    stream: str = ""

    def num_steps(self, sizes: Size) -> Size:
        """Count the minibatches of a client with so many examples, or of several; without any it takes none.

        >>> import torch
        >>> Passes(batch_size=4, epochs=2).num_steps(9), Passes(batch_size=4, steps=7).num_steps(torch.tensor([9, 0]))
        (6, tensor([7, 0]))
        """
        per_epoch = -(-sizes // self.batch_size)
        return self.epochs * per_epoch if self.steps is None else self.steps * (sizes > 0)


TakeWalk = Callable[["DualWalk"], Params]
"""Takes a walk in dual form: from what it is to the heads it leads to."""


@dataclass(frozen=True)
class DualPasses:
    """Passes of a stack of clients as positions in their examples, and what a walk in dual form needs.

    Attributes:
        positions: ``(clients, steps, batch)`` int64, 0 where padded.
        weights: of the examples at these positions, 0 where padded; same shape.
        full: for each step whether every client has an example.
        gram: inner products of each client's examples, plus 1 for the intercept, ``(clients, n, n)``.
        take: takes the walk, perhaps together with others'; None leaves it to whoever asks.
    """

    positions: Tensor
    weights: Tensor
    full: tuple[bool, ...]
    gram: Tensor
    take: TakeWalk | None = None


class ClientData(Protocol):
    """The training data of one client, or of a stack of clients."""

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield shuffled minibatches of the activations at the model's cut."""
        ...

    def everything(self, model: Model) -> Batch:
        """Return all examples as one batch, unshuffled, weights 1 (0 for padding in a stack)."""
        ...

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> DualPasses | None:
        """Return the passes as positions, where training the head ``params`` in dual form is cheaper."""
        ...
