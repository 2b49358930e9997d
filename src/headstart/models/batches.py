"""What a method sees of a client's data: batches, in an order the engine has fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from headstart.models.model import Model

Balance = Literal["none", "loss", "sampling"]
"""Care for imbalanced classes: none, a class-weighted loss, or class-balanced sampling."""


@dataclass(frozen=True)
class Batch:
    """One minibatch of one client, or of a stack of clients.

    Attributes:
        inputs: activations at the model's cut, ``([clients,] batch, …)``.
        labels: class indices, ``([clients,] batch)``, int64.
        weights: importance of each example, ``([clients,] batch)``; 0 marks padding.
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor

    @property
    def active(self) -> Tensor:
        """Whether a client has any example in this batch; shape ``()`` or ``(clients,)``."""
        return self.weights.sum(-1) > 0


class ClientData(Protocol):
    """The training data of one client, or of a stack of clients."""

    def batches(
        self,
        model: Model,
        *,
        batch_size: int,
        epochs: int,
        steps: int | None = None,
        balance: Balance = "none",
        stream: str = "",
    ) -> Iterator[Batch]:
        """Yield ``epochs`` passes of shuffled minibatches, or exactly ``steps`` minibatches.

        Args:
            model: its cut says which activations the batches hold.
            batch_size: examples per step; the last batch of an epoch may be smaller (padded, in a stack).
            epochs: passes over the data.
            steps: number of minibatches, over as many passes as that takes; None counts epochs.
            balance: care for imbalanced classes.
            stream: names the random order, so that two phases of one method differ.
        """
        ...

    def everything(self, model: Model) -> Batch:
        """Return all examples as one batch, unshuffled, weights 1 (0 for padding in a stack)."""
        ...
