"""What a prediction rests on: how far ahead of the client's own head the shared and the personal one are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from headstart.core.arrays import Array
from headstart.core.plain import finite
from headstart.diagnosis.heads import HEADS, LeftOut
from headstart.evidence.contrast import contrast
from headstart.evidence.metrics import nan_mean
from headstart.evidence.paired import paired

Sharing = Literal["federate", "both"]
HEAD_OF: dict[Sharing, str] = {"federate": "shared", "both": "personal"}
"""The families that share, and the head that foretells each."""

BALANCED = frozenset({"balanced_accuracy", "macro_f1"})
"""Metrics foretold in balanced accuracy; all others are in accuracy."""


@dataclass(frozen=True)
class Lead:
    """How far ahead a head is at one client; means over its examples, its classes alike where the metric is balanced.

    Attributes:
        a: difference in leave-one-out accuracy.
        q: difference in leave-one-out squared error, positive where the head's is smaller.
        v: difference in accuracy on validation examples; None without any.
        variance: of ``a``, by the choice of examples; None where they are too few to say.
    """

    a: Annotated[float, Field(ge=-1, le=1)]
    q: Annotated[FiniteFloat, Field(ge=-1e100, le=1e100)]
    v: Annotated[float, Field(ge=-1, le=1)] | None
    variance: Annotated[float, Field(ge=0, le=4)] | None

    @classmethod
    def of(cls, found: LeftOut, sharing: Sharing, *, balanced: bool) -> Lead:
        """Return how far a family's head is ahead of the client's own at one client.

        Args:
            found: of the client, with one training example or more.
            sharing: the family.
            balanced: whether every class of the client weighs the same.
        """
        at, own = HEADS.index(HEAD_OF[sharing]), HEADS.index("local")
        strata = found.labels if balanced else np.zeros_like(found.labels)
        moments = paired((found.right[at] - found.right[own])[None], strata, np.zeros_like(strata))
        return cls(
            a=float(moments.client_means[0]),
            q=_mean(found.squared[own] - found.squared[at], strata),
            v=finite(_mean(found.val_right[at] - found.val_right[own], found.val_labels if balanced else None)),
            variance=finite(contrast(moments, "these", floor=False).sampling),
        )

    def coarse(self) -> Lead:
        """Return it with hundredths of squared error, at most 1: of made sums, more digits tell the client's own.

        >>> Lead(0.5, -3051.3272, None, 0.1).coarse(), Lead(0.5, 0.1234, None, 0.1).coarse().q
        (Lead(a=0.5, q=-1.0, v=None, variance=0.1), 0.12)
        """
        return replace(self, q=round(min(1.0, max(-1.0, self.q)), 2))


@dataclass(frozen=True)
class Signals:
    """How far ahead a head is, mean over clients.

    Attributes:
        a: difference in leave-one-out accuracy, plain or balanced.
        q: difference in leave-one-out squared error, positive where the head's is smaller.
        v: difference in accuracy on validation examples; NaN where no client has any.
        se: standard error of ``a``: by the choice of examples and of clients.
        alone: variance of ``a`` at one client by the choice of examples, mean over clients: the fewer each has, the
            more a trained head may differ from one that is solved, and other clients do not make up for that.
    """

    a: float
    q: float
    v: float
    se: float
    alone: float = 0.0

    @classmethod
    def of(cls, leads: Sequence[Lead]) -> Signals:
        """Return the means over clients, and how sure they are.

        >>> Signals.of([Lead(0.1, 0.2, None, 0.01), Lead(0.3, 0.2, 0.1, 0.01)])
        Signals(a=0.2, q=0.2, v=0.1, se=0.122..., alone=0.01)
        """
        a = np.array([one.a for one in leads])
        known = [one.variance for one in leads if one.variance is not None]
        alone = float(np.mean(known)) if known else 0.0
        between = float(a.var(ddof=1)) / len(a) if len(a) > 1 else 0.0
        v = nan_mean(np.array([one.v for one in leads if one.v is not None]))
        return cls(
            float(a.mean()),
            float(np.mean([one.q for one in leads])),
            v,
            float(np.sqrt(alone / len(a) + between)),
            alone,
        )


def _mean(values: Array, strata: Array | None) -> float:
    """Return the mean over strata of the means within; NaN without values."""
    if not len(values):
        return float("nan")
    if strata is None:
        return float(values.mean())
    _, at = np.unique(strata, return_inverse=True)
    return float((np.bincount(at, values) / np.bincount(at)).mean())
