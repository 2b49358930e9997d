"""What the closed-form heads share: one round, sums of features, a head solved by the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch

from headstart.federate.protocol import Begin as Begin
from headstart.federate.protocol import Federate, Reduction, Schedule
from headstart.training import Model, Params, Tensor, Trainable, Tree


@dataclass(frozen=True, eq=False)
class FeatureSums:
    """What a client's sums say of its features ``Z`` and one-hot labels ``Y``, whatever they are packed as.

    Attributes:
        moment: ``Z'Y``, ``(features, classes)``.
        counts: examples of each class, ``(classes,)``.
        second: ``Z'Z``, ``(features, features)``; None where the method does without.
        has_ones: whether the last feature is 1 in every example.
    """

    moment: Tensor
    counts: Tensor
    second: Tensor | None
    has_ones: bool


class OneShotHead(Federate, Protocol):
    """Half of the protocol for methods of one round in which only a head changes.

    The shared tree is the head. Clients need nothing but the frozen backbone, so what they send does not depend on it.
    """

    reduce: ClassVar[Reduction] = "sum"
    schedule: ClassVar[Schedule] = Schedule(rounds=1)
    trainable: ClassVar[Trainable] = "head"

    def init(self, model: Model, params: Params) -> Begin:
        """Share the head that will be replaced."""
        return Begin(params, {}, {})

    def feature_sums(self, update: Tree) -> FeatureSums:
        """Return what an update says, for those who look whether examples can have such sums."""
        ...

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the solved head."""
        return shared


def pack_symmetric(matrix: Tensor) -> Tensor:
    """Return the upper triangle as a vector: half the bytes. Shape ``(…, d (d + 1) / 2)``."""
    rows, columns = torch.triu_indices(matrix.shape[-1], matrix.shape[-1], device=matrix.device)
    return matrix[..., rows, columns]


def unpack_symmetric(vector: Tensor, size: int) -> Tensor:
    """Undo :func:`pack_symmetric`, for one matrix.

    >>> unpack_symmetric(torch.tensor([1.0, 2.0, 3.0]), 2)
    tensor([[1., 2.],
            [2., 3.]])
    """
    rows, columns = torch.triu_indices(size, size, device=vector.device)
    matrix = vector.new_zeros(size, size)
    matrix[rows, columns] = vector
    matrix[columns, rows] = vector
    return matrix
