"""What an adaptation says: one function from the parameters a client received to its own.

An adaptation that predicts from more than parameters says so with a memory, see :class:`Remembers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, TypeGuard

from headstart.training import ClientData, Model, Params, TaskKind, Tensor, Trainable, Tree


class Adapt(Protocol):
    """What a client does alone, before it is evaluated; nothing crosses the network.

    Attributes:
        trainable: where the model is cut.
        accept: keep the adapted parameters only if they are better on the client's validation data.
        changes_nothing: whether clients use what they received as it is.
        not_for: tasks for which it makes no sense, each with the reason.
        needs_norms: whether it is for networks with normalisation layers alone.
    """

    changes_nothing: ClassVar[bool] = False
    not_for: ClassVar[Mapping[TaskKind, str]] = {}
    needs_norms: ClassVar[bool] = False

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


class Remembers(Adapt, Protocol):
    """An adaptation whose client predicts from its parameters and from what it keeps of its training data."""

    @property
    def options(self) -> Sequence[Remembers]:
        """Ways to predict, among which validation data decide; a client without any takes the first."""
        ...

    def memory(self, model: Model, data: ClientData) -> Tree:
        """Return what a client keeps; for a stack every tensor has the client axis."""
        ...

    def probabilities(self, model: Model, params: Params, memory: Tree, inputs: Tensor) -> Tensor:
        """Return class probabilities ``([clients,] batch, classes)`` from activations at the cut, float64."""
        ...


def remembers(method: Adapt) -> TypeGuard[Remembers]:
    """Say whether an adaptation has a memory.

    >>> from headstart.adapt import Keep, Knn
    >>> remembers(Keep()), remembers(Knn())
    (False, True)
    """
    return hasattr(method, "memory")
