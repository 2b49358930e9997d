"""How clients' examples are shared between training and testing, so that the test sets can decide something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.evidence.metrics import measure
from headstart.evidence.power import Design, smallest_effect
from headstart.evidence.verdict import default_scope

MIN_EFFECT = 0.02
SEEDS = 5
_FAMILIES, _CONFIDENCE = 3, 0.95
_METRIC = "accuracy"
_SHARES = ((0.6, 0.2, 0.2), (0.5, 0.2, 0.3), (0.45, 0.15, 0.4), (0.4, 0.1, 0.5))
"""Of train, validation and test: the first that can decide is taken."""


@dataclass(frozen=True)
class Shares:
    """Shares of train, validation and test, and what they can decide.

    Attributes:
        train: share.
        val: share.
        test: share.
        tested: test examples in all.
        effect: the smallest difference at which equal ways to train would be decided; infinite where there is none.
    """

    train: float
    val: float
    test: float
    tested: int
    effect: float

    @property
    def decides(self) -> bool:
        """Whether a difference of two points can be decided."""
        return self.effect <= MIN_EFFECT


def shares_for(counts: Sequence[int], *, held_out: float) -> Shares:
    """Return the smallest test share that decides a difference of two points, or the largest that still makes sense.

    Args:
        counts: rows of each client.
        held_out: share of clients that are held out.

    >>> shares_for([5000] * 4, held_out=0).test, shares_for([230] * 4, held_out=0).test
    (0.2, 0.5)
    """
    options = (_with_effect(shares, counts, held_out) for shares in _SHARES)
    found = list(options)
    return next((one for one in found if one.decides), found[-1])


def _with_effect(shares: tuple[float, float, float], counts: Sequence[int], held_out: float) -> Shares:
    tested = [round(shares[2] * count) for count in counts]
    seen = tuple(sorted(tested, reverse=True)[: max(1, round(len(tested) * (1 - held_out)))])
    scope = default_scope(len(seen), measure(_METRIC), held_out=held_out > 0)
    design = Design(seen, SEEDS, _FAMILIES, _CONFIDENCE, scope)
    return Shares(*shares, sum(tested), smallest_effect(design))
