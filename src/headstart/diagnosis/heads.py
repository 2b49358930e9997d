"""Three ridge heads on frozen features, each example predicted by heads that were solved without it, exactly.

*Local* is solved on the client's own examples, *shared* on the sums of everyone's, *personal* is pulled towards the
shared head. Nothing is solved twice: with ``H = sum Z'Z + mu I`` the shared head without example ``i`` is
``W - H^-1 z_i c_i'``, where ``c_i = r_i / (1 - h_i)`` is what it leaves of that example, and the heads of one client
follow from one decomposition of its examples. The penalty of the shared head is that of least generalised
cross-validation error, each client's that of least leave-one-out error, among multiples of its features' mean square.

Golub, Heath, Wahba, Technometrics 1979, https://doi.org/10.1080/00401706.1979.10489751; the personal head is that of
Cheng, Chadha, Duchi, 2021, https://arxiv.org/abs/2108.07313, in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.training.ridge import generalized_cross_validation, left_out, relative_penalties

Part = tuple[Array, Array]
HEADS = ("local", "shared", "personal")
_MOST_ROWS = 2000
"""Examples of a client that are predicted; the heads learn from all of them."""


@dataclass(frozen=True, eq=False)
class Shared:
    """The head from everyone's sums, on features centred and divided so that their mean squared length is one.

    Attributes:
        mean: of the features, ``(features,)``.
        length: root of their mean squared length once centred.
        weights: ``(features + 1, classes)``, the intercept last.
        inverse: ``H^-1``, ``(features + 1, features + 1)``.
        penalty: ``mu``.
    """

    mean: Tensor
    length: float
    weights: Tensor
    inverse: Tensor
    penalty: float

    @classmethod
    def of(cls, parts: Sequence[Part], num_classes: int) -> Shared:
        """Solve it from clients' features ``(n, d)`` and labels ``(n,)``."""
        return cls.of_sums(*_sums(parts, num_classes))

    @classmethod
    def of_sums(cls, gram: Tensor, moment: Tensor) -> Shared:
        """Solve it.

        Args:
            gram: ``sum Z'Z`` of ``Z = [features, 1]``, so that its last entry counts examples; float64.
            moment: ``sum Z'Y`` of one-hot labels, ``(features + 1, classes)``; float64.
        """
        count = gram[-1, -1].clamp_min(1)
        mean = gram[:-1, -1] / count
        length = float((gram.diagonal()[:-1].sum() / count - mean.square().sum()).clamp_min(0).sqrt()) or 1.0
        turn = torch.eye(len(gram), dtype=gram.dtype)
        turn[:-1] /= length
        turn[-1, :-1] = -mean / length
        gram, moment = turn.mT @ gram @ turn, turn.mT @ moment
        values, vectors = torch.linalg.eigh(gram)
        penalty = generalized_cross_validation(gram, moment, (values, vectors))
        # Sums with noise on them may have directions below zero.
        inverse = (vectors / (values.clamp_min(0) + penalty)) @ vectors.mT
        return cls(mean, length, inverse @ moment, inverse, penalty)

    def design(self, features: Array) -> Tensor:
        """Return ``[features, 1]``, scaled; ``(examples, features + 1)``."""
        rows = (torch.from_numpy(np.ascontiguousarray(features)).double() - self.mean) / self.length
        return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)


class LeftOut(NamedTuple):
    """What the three heads, in the order of ``HEADS``, say of a client's examples.

    Attributes:
        labels: of training examples that were left out one by one, ``(n,)``.
        right: whether each is predicted right, a tie by its share, ``(3, n)`` in [0, 1].
        squared: squared error of each, summed over the classes, ``(3, n)``.
        val_labels: of validation examples, ``(m,)``.
        val_right: as ``right``, of the heads of all training examples, ``(3, m)``.
    """

    labels: Array
    right: Array
    squared: Array
    val_labels: Array
    val_right: Array

    @classmethod
    def of(cls, train: Part, val: Part, shared: Shared, num_classes: int) -> LeftOut:
        """Predict a client's training examples by heads solved without each, and its validation examples by the heads.

        Args:
            train: features ``(n, d)`` and labels ``(n,)``; part of what ``shared`` was solved on.
            val: likewise; may be empty.
            shared: the head from everyone's sums.
            num_classes: number of classes.
        """
        client = _Client.of(shared.design(train[0]), _one_hot(train[1], num_classes), shared)
        labels, designs = train[1][_some(len(train[1]))], shared.design(val[0])
        residuals, heads = zip(*(client.local(), client.shared(), client.personal()), strict=True)
        scores = torch.stack([designs @ head for head in heads])
        return cls(
            labels=labels,
            right=_right(torch.stack([client.targets - one for one in residuals]), labels),
            squared=torch.stack(residuals).square().sum(-1).numpy(),
            val_labels=val[1],
            val_right=_right(scores, val[1]),
        )


def _sums(parts: Sequence[Part], num_classes: int) -> tuple[Tensor, Tensor]:
    """Add up ``Z'Z`` and ``Z'Y`` of all clients, float64."""
    size = parts[0][0].shape[1] + 1
    gram, moment = (torch.zeros(size, columns, dtype=torch.float64) for columns in (size, num_classes))
    for features, labels in parts:
        design = torch.cat([_double(features), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)
        gram += design.mT @ design
        moment += design.mT @ _one_hot(labels, num_classes)
    return gram, moment


@dataclass(frozen=True, eq=False)
class _Client:
    """One client's examples, decomposed: ``Z = U diag(root of values) V'``, and ``right`` is ``U'Z``.

    Some ``rows`` stand for all where there are many; ``targets`` and ``left``, which is ``U``, are at these.
    """

    rows: Tensor
    targets: Tensor
    left: Tensor
    values: Tensor
    right: Tensor
    moment: Tensor
    pool: Shared
    candidates: Tensor

    @classmethod
    def of(cls, design: Tensor, targets: Tensor, pool: Shared) -> _Client:
        """Decompose, by the smaller side."""
        some = _some(len(design))
        left, values, right = _decompose(design, some)
        candidates = relative_penalties(values.sum(), design.shape[1])
        moment = torch.stack([design.mT @ targets, design.mT @ (targets - design @ pool.weights)])
        return cls(design[some], targets[some], left, values, right, moment, pool, candidates)

    def shared(self) -> tuple[Tensor, Tensor]:
        """Return what the shared head leaves of the rows, and the head."""
        return _left_by(self.rows, self.targets, self.pool), self.pool.weights

    def local(self) -> tuple[Tensor, Tensor]:
        """Return what the client's own head leaves of the rows, and the head."""
        smooth = self._smooth(self.candidates)
        projected = self._project(self.moment[0])
        left = left_out(self.left, smooth, projected, self.targets)
        best = int(_errors(left).argmin())
        return left[best], self._head(self.moment[0], self.candidates[best])

    def personal(self) -> tuple[Tensor, Tensor]:
        """Return what the personal head leaves of the rows, and the head; an endless penalty is among the choices."""
        unseen, received = self.shared()
        penalties = torch.cat([self.candidates, self.candidates.new_tensor([torch.inf])])
        smooth = self._smooth(penalties)
        touched = self.left * (self.rows @ self.pool.inverse @ self.right.mT)
        overlap = (touched @ smooth.mT).mT.unsqueeze(-1)
        left = left_out(self.left, smooth, self._project(self.moment[1]), unseen, overlap)
        best = int(_errors(left).argmin())
        return left[best], received + self._head(self.moment[1], penalties[best])

    def _smooth(self, penalties: Tensor) -> Tensor:
        return self.values / (self.values + penalties.unsqueeze(-1))

    def _project(self, moment: Tensor) -> Tensor:
        """Return ``U'R`` from ``Z'R``."""
        return self.right @ moment / self.values.unsqueeze(-1)

    def _head(self, moment: Tensor, penalty: Tensor) -> Tensor:
        """Return ``(Z'Z + penalty I)^-1 Z'R``."""
        return self.right.mT @ (self._project(moment) / (self.values + penalty).unsqueeze(-1))


def left_by_shared(train: Part, shared: Shared, num_classes: int) -> tuple[Array, Array]:
    """Say of a client's examples whether a shared head solved without each predicts it right, and its squared error.

    Args:
        train: features ``(n, d)`` and labels ``(n,)``; part of what ``shared`` was solved on.
        shared: the head.
        num_classes: number of classes.

    Returns:
        As :class:`LeftOut` has them, ``(n,)`` each.
    """
    some = _some(len(train[1]))
    targets = _one_hot(train[1][some], num_classes)
    left = _left_by(shared.design(train[0][some]), targets, shared)
    return _right((targets - left)[None], train[1][some])[0], left.square().sum(-1).numpy()


def _left_by(rows: Tensor, targets: Tensor, shared: Shared) -> Tensor:
    """Return what a shared head leaves of rows that it was solved without, one by one."""
    leverage = ((rows @ shared.inverse) * rows).sum(-1, keepdim=True).clamp_max(1 - 1e-9)
    return (targets - rows @ shared.weights) / (1 - leverage)


def squared_alone(design: Tensor, targets: Tensor) -> Tensor:
    """Return the squared error of examples left out one by one of a head solved on them alone; ``(examples,)``.

    Args:
        design: ``Z``, ``(examples, features + 1)``.
        targets: one-hot labels, ``(examples, classes)``.
    """
    left, values, _ = _decompose(design, slice(None))
    smooth = values / (values + relative_penalties(values.sum(), design.shape[1]).unsqueeze(-1))
    residuals = left_out(left, smooth, left.mT @ targets, targets)
    return residuals[int(_errors(residuals).argmin())].square().sum(-1)


def _decompose(design: Tensor, some: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``U`` at some rows, the values that are not zero, and ``U'Z``, by the smaller side."""
    if len(design) <= design.shape[1]:
        values, vectors = torch.linalg.eigh(design @ design.mT)
        kept = values > 1e-10 * values.max()
        return vectors[some][:, kept], values[kept], vectors[:, kept].mT @ design
    values, vectors = torch.linalg.eigh(design.mT @ design)
    kept = values > 1e-10 * values.max()
    right = vectors[:, kept].mT * values[kept].sqrt().unsqueeze(-1)
    return design[some] @ right.mT / values[kept], values[kept], right


def _some(count: int) -> slice:
    """Return the examples that are predicted."""
    return slice(None, None, max(1, -(-count // _MOST_ROWS)))


def _errors(left: Tensor) -> Tensor:
    return left.square().sum((-1, -2))


def _right(scores: Tensor, labels: Array) -> Array:
    """Say which scores ``(heads, n, classes)`` are highest at the label; a tie counts by its share."""
    own = scores.gather(-1, torch.from_numpy(labels).long().expand(len(scores), -1).unsqueeze(-1))
    near = 1e-6 * (1 + scores.abs().amax(-1, keepdim=True))
    beaten, tied = (scores > own + near).any(-1), (scores >= own - near).sum(-1)
    found: Array = (~beaten / tied.clamp_min(1)).double().numpy()
    return found


def _double(features: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(features)).double()


def _one_hot(labels: Array, num_classes: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), num_classes).double()
