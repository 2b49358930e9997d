"""The answer: fine-tune, federate, or both, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from headstart.evidence.contrast import Contrast, Scope
from headstart.evidence.power import Needed
from headstart.evidence.sides import Family

Grounds = Literal["better", "good enough", "only", "undecided", "no claim"]


@dataclass(frozen=True)
class Rule:
    """How the answer is reached, fixed before the runs.

    Attributes:
        min_effect: the smallest difference that matters, in the metric's unit.
        confidence: in (0, 1).
        scope: of which clients the answer speaks.
    """

    min_effect: float
    confidence: float
    scope: Scope

    def tail(self, families: int) -> float:
        """Return what each one-sided comparison of so many families may err."""
        return (1 - self.confidence) / max(1, families - 1)


class Absent(NamedTuple):
    """Why a family is not judged, and whether that is because rules exclude all of its arms."""

    why: str
    ruled_out: bool = False


@dataclass(frozen=True)
class Compared:
    """A contrast with the names of its sides.

    Attributes:
        of: the side that is better where the gap is positive: a family, or words.
        over: the other side.
        arm: that stands for ``of``.
        over_arm: that stands for ``over``.
        contrast: of the two.
    """

    of: str
    over: str
    arm: str
    over_arm: str
    contrast: Contrast


@dataclass(frozen=True)
class Standing:
    """A family in the answer.

    Attributes:
        representative: the arm that stands for it.
        picked_by: how that was picked.
        arms: all of the family that ran.
        regret_upper: the most by which it may be worse than the best family; NaN without a claim.
        excluded_by: families that are surely better.
    """

    representative: str
    picked_by: str
    arms: tuple[str, ...]
    regret_upper: float
    excluded_by: tuple[Family, ...]


@dataclass(frozen=True)
class Answer:
    """What a study says to the question *fine-tune, federate, or both*.

    Attributes:
        family: the answer; None where it is undecided, or nothing can be claimed.
        grounds: ``better`` than every other family, ``good enough`` (not worse than the best by more than
            ``min_effect``, and the cheapest such), the ``only`` family, ``undecided``, or ``no claim``.
        leader: the answer, or else the family that is ahead.
        rule: by which it was reached.
        families: those that ran.
        contrasts: of every pair of families, in both scopes.
        start_pays: the best trained start against the best from scratch.
        share_pays: the best arm that shares against the best that does not.
        adapt_pays: the best arm that adapts after sharing against the best that does not.
        arm: to use; None where no arm may be recommended.
        expected_regret: how much worse than the best family it may be expected to be: an upper bound.
        regret_upper: the most by which it may be.
        needed: what would decide it, where it is undecided.
        decided_at: the smallest ``min_effect`` at which it is decided; None without a claim.
        absent: families that could not be judged, with the reason.
    """

    family: Family | None
    grounds: Grounds
    leader: Family | None
    rule: Rule
    families: Mapping[Family, Standing] = field(default_factory=dict)
    contrasts: tuple[Compared, ...] = ()
    start_pays: Compared | None = None
    share_pays: Compared | None = None
    adapt_pays: Compared | None = None
    arm: str | None = None
    expected_regret: float | None = None
    regret_upper: float | None = None
    needed: Needed | None = None
    decided_at: float | None = None
    absent: Mapping[Family, Absent] = field(default_factory=dict)

    @property
    def basis(self) -> Contrast | None:
        """A contrast of the scope that the answer speaks of; None with fewer than two families."""
        return next((one.contrast for one in self.contrasts if one.contrast.scope == self.rule.scope), None)

    def behind(self, family: str) -> float | None:
        """Return by how much a family is surely worse than another, by the rule; None if it was not judged.

        Negative where it may be the best.
        """
        tail = self.rule.tail(len(self.families))
        found = [one for other in self.families if other != family and (one := self.between(other, family))]
        return max((one.ends(tail)[0] for one in found), default=None)

    def between(self, of: str, over: str, scope: Scope | None = None) -> Contrast | None:
        """Return the contrast of two families; None if one of them did not run."""
        wanted = scope or self.rule.scope
        for one in self.contrasts:
            if one.contrast.scope == wanted and {one.of, one.over} == {of, over}:
                return one.contrast if one.of == of else one.contrast.turned()
        return None
