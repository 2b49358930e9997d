"""What an adaptation says: one function from the parameters a client received to its own."""

from __future__ import annotations

from typing import Protocol

from headstart.core.trees import Params
from headstart.models.batches import ClientData
from headstart.models.model import Model, Trainable


class Adapt(Protocol):
    """What a client does alone, before it is evaluated; nothing crosses the network.

    Attributes:
        trainable: where the model is cut.
        accept: keep the adapted parameters only if they are better on the client's validation data.
    """

    @property
    def trainable(self) -> Trainable:
        """Where the model is cut."""
        ...

    @property
    def accept(self) -> bool:
        """Whether validation data decide between the received and the adapted parameters."""
        ...

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Return the client's own parameters; works on one client and, for heads, on a stack."""
        ...
