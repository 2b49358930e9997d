"""Finding the answer: a comparison of families with the best, after Hsu.

A family is chosen if it cannot be worse than any other by more than ``min_effect``: Hsu, "Simultaneous Confidence
Intervals for all Distances from the Best", Annals of Statistics 9(5), 1981, with Bonferroni's correction. The chance
that the chosen family is worse than the best by more than that, or that the best was excluded, is at most
1 - confidence, for the arms that stand for the families.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scipy import special

from headstart.evidence.answer import Absent, Answer, Compared, Grounds, Rule, Standing
from headstart.evidence.contrast import Contrast, Scope, contrast
from headstart.evidence.power import needed
from headstart.evidence.sides import FAMILIES, Entrant, Evidence, Family, Side, pick

_ROUNDING = 1e-12


def find_answer(
    entrants: Mapping[str, Entrant], units: Evidence, rule: Rule, absent: Mapping[Family, Absent] | None = None
) -> Answer:
    """Answer the question from arms that ran.

    Args:
        entrants: arms that may be recommended.
        units: what they are compared on: rows, or sums of them.
        rule: fixed before the runs.
        absent: families none of whose arms is there, with the reason.
    """
    members = {family: [arm for arm in entrants if entrants[arm].traits.family == family] for family in FAMILIES}
    going = {family: [arm for arm in arms if not entrants[arm].beaten] or arms for family, arms in members.items()}
    sides = {family: side for family in FAMILIES if (side := pick(going[family], entrants, units))}
    if not sides:
        return Answer(None, "no claim", None, rule, absent=absent or {})
    judge = _Judge(entrants, units, rule, sides)
    family, grounds = judge.decide()
    if grounds == "only" and any(not one.ruled_out for one in (absent or {}).values()):
        return _unjudged(judge.leader, sides, members, rule, absent or {})
    leader = family or judge.leader
    arm = judge.arm_to_use(leader, members[leader])
    own, rivals = sides[leader], [side for name, side in sides.items() if name != leader]
    most = max((judge.upper(side, arm) for side in rivals), default=0.0)
    return Answer(
        family,
        grounds,
        leader,
        rule,
        families={name: judge.standing(name, tuple(members[name])) for name in sides},
        contrasts=tuple(judge.contrasts()),
        start_pays=judge.start_pays(members, leader),
        share_pays=judge.between("sharing", [*members["federate"], *members["both"]], "not", members["fine-tune"]),
        adapt_pays=judge.between("adapting afterwards", members["both"], "not", members["federate"]),
        arm=arm.arm,
        expected_regret=judge.expected_regret(arm, rivals if arm.arm == own.arm else [own, *rivals], most),
        regret_upper=most,
        needed=needed(judge.rivals(leader), rule.min_effect, rule.tail(len(sides))) if grounds == "undecided" else None,
        decided_at=None if grounds == "no claim" else max(0.0, min(judge.upper_of(name) for name in sides)),
        absent=absent or {},
    )


def _unjudged(
    family: Family,
    sides: Mapping[Family, Side],
    members: Mapping[Family, Sequence[str]],
    rule: Rule,
    absent: Mapping[Family, Absent],
) -> Answer:
    """Claim nothing of a family whose rivals failed to train, or did not run: that is no evidence for it."""
    side = sides[family]
    standing = Standing(side.arm, side.picked_by, tuple(members[family]), math.nan, ())
    return Answer(None, "no claim", family, rule, families={family: standing}, arm=side.arm, absent=absent)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Compares the families' sides by one rule."""

    entrants: Mapping[str, Entrant]
    units: Evidence
    rule: Rule
    sides: Mapping[Family, Side]
    known: dict[tuple[str, str, Scope], Contrast] = field(default_factory=dict)

    @property
    def leader(self) -> Family:
        """The family that may be least behind; without a claim, that with the best mean."""
        uppers = {name: self.upper_of(name) for name in self.sides}
        if all(math.isfinite(upper) for upper in uppers.values()):
            return min(uppers, key=lambda name: (uppers[name], self.sides[name].cost))
        behind = {name: max((one.gap for one in self.rivals(name)), default=0.0) for name in self.sides}
        return min(behind, key=lambda name: (behind[name], self.sides[name].cost))

    def contrast(self, better: Side, worse: Side, scope: Scope | None = None) -> Contrast:
        """Estimate by how much one side is better than another, once for each two arms."""
        scope = scope or self.rule.scope
        if "cross-fitting" in (better.picked_by, worse.picked_by):
            # Such a side has the values of several arms, others in another company.
            return contrast(self.units.between(better, worse), scope, floor=self.units.is_share)
        key, turned = (better.arm, worse.arm, scope), (worse.arm, better.arm, scope)
        if turned in self.known:
            return self.known[turned].turned()
        if key not in self.known:
            moments = self.units.between(better, worse)
            self.known[key] = contrast(moments, scope, floor=self.units.is_share)
        return self.known[key]

    def rivals(self, family: Family) -> list[Contrast]:
        """Return by how much each other family is better."""
        own = self.sides[family]
        return [self.contrast(side, own) for name, side in self.sides.items() if name != family]

    def upper(self, better: Side, worse: Side) -> float:
        """Return the most by which one side may be better."""
        found = self.contrast(better, worse)
        return found.ends(self.rule.tail(len(self.sides)))[1]

    def upper_of(self, family: Family) -> float:
        """Return the most by which a family may be worse than any other; NaN without a claim."""
        uppers = [one.ends(self.rule.tail(len(self.sides)))[1] for one in self.rivals(family)]
        return math.nan if any(math.isnan(upper) for upper in uppers) else max(uppers, default=0.0)

    def excluded_by(self, family: Family) -> tuple[Family, ...]:
        """Name the families that are surely better."""
        tail, own = self.rule.tail(len(self.sides)), self.sides[family]
        others = ((name, side) for name, side in self.sides.items() if name != family)
        return tuple(name for name, side in others if self.contrast(side, own).ends(tail)[0] > 0)

    def decide(self) -> tuple[Family | None, Grounds]:
        """Return the answer and its grounds."""
        if len(self.sides) == 1:
            return next(iter(self.sides)), "only"
        uppers = {name: self.upper_of(name) for name in self.sides}
        if any(math.isnan(upper) for upper in uppers.values()):
            return None, "no claim"
        able = [name for name, upper in uppers.items() if upper <= self.rule.min_effect + _ROUNDING]
        if not able:
            return None, "undecided"
        chosen = min(able, key=lambda name: self.sides[name].cost)
        others = [name for name in self.sides if name != chosen]
        return chosen, "better" if all(self.excluded_by(name) for name in others) else "good enough"

    def standing(self, family: Family, arms: tuple[str, ...]) -> Standing:
        """Return how a family stands."""
        side = self.sides[family]
        return Standing(side.arm, side.picked_by, arms, self.upper_of(family), self.excluded_by(family))

    def contrasts(self) -> list[Compared]:
        """Return every pair of families in both scopes, what shares or does more over what does less."""
        scopes: tuple[Scope, ...] = ("these", "like these")
        pairs = [(of, over) for at, over in enumerate(FAMILIES) for of in FAMILIES[at + 1 :]]
        return [
            self._compared(of, self.sides[of], over, self.sides[over], scope)
            for scope in scopes
            for of, over in pairs
            if of in self.sides and over in self.sides
        ]

    def between(self, of: str, arms: Sequence[str], over: str, others: Sequence[str]) -> Compared | None:
        """Compare the best of some arms with the best of others; None where either is missing."""
        better, worse = (pick(names, self.entrants, self.units) for names in (arms, others))
        return self._compared(of, better, over, worse) if better and worse else None

    def start_pays(self, members: Mapping[Family, Sequence[str]], leader: Family) -> Compared | None:
        """Compare the best trained start with the best from scratch, in the answer's family if it has both."""
        sharing = [*members["federate"], *members["both"]]
        for arms in (members[leader], sharing if leader != "fine-tune" else []):
            parts = [[arm for arm in arms if self.entrants[arm].traits.from_scratch is flag] for flag in (False, True)]
            if all(parts):
                return self.between("a trained start", parts[0], "from scratch", parts[1])
        return None

    def arm_to_use(self, family: Family, arms: Sequence[str]) -> Side:
        """Return the cheapest arm of a family that cannot be worse than any family's best by more than what matters."""
        best = self.sides[family]
        able = [arm for arm in arms if not self.entrants[arm].beaten]
        cheaper = [arm for arm in able if self.entrants[arm].cost < best.cost]
        for arm in sorted(cheaper, key=lambda name: self.entrants[name].cost):
            side = self.units.side(arm, best.picked_by, self.entrants[arm].cost)
            if all(self.upper(rival, side) <= self.rule.min_effect + _ROUNDING for rival in self.sides.values()):
                return side
        return best

    def expected_regret(self, arm: Side, rivals: Sequence[Side], most: float) -> float:
        """Return an upper bound on how much worse than the best of the rivals an arm is expected to be.

        Args:
            arm: to use.
            rivals: that may be better.
            most: the most by which one is.
        """
        # A sum over rivals that are much alike counts them more than once.
        found = sum(map(_expected_gain, (self.contrast(side, arm) for side in rivals)))
        return min(found, most) if most > 0 else found

    def _compared(self, of: str, better: Side, over: str, worse: Side, scope: Scope | None = None) -> Compared:
        return Compared(of, over, better.arm, worse.arm, self.contrast(better, worse, scope))


def _expected_gain(found: Contrast) -> float:
    """Return the mean of a contrast where it is positive, as of a normal variable."""
    if not found.se > 0:
        return max(0.0, found.gap) if found.se == 0 else math.nan
    z = found.gap / found.se
    return float(found.se * (math.exp(-z * z / 2) / math.sqrt(2 * math.pi) + z * special.ndtr(z)))
