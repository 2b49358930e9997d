"""Who wins at which epsilon: the question asked anew of the arms that promise single examples the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from headstart.evidence.answer import Absent, Grounds
from headstart.evidence.answer_words import DOING
from headstart.evidence.contest import Contest
from headstart.evidence.find_answer import find_answer
from headstart.evidence.sides import Family


@dataclass(frozen=True)
class Standing:
    """How a family's arm stands among those of one epsilon.

    Attributes:
        arm: that stands for it, picked on validation data.
        mean: of its scores, in the metric's own direction.
        low: end of the interval of the mean.
        high: the other end.
    """

    arm: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Level:
    """What arms of one epsilon say.

    Attributes:
        epsilon: that each example is promised; None of arms without noise on examples.
        family: that wins by the rule; None where it is undecided, or nothing can be claimed.
        leader: it, or else the family that is ahead.
        grounds: of the answer.
        families: those that ran.
    """

    epsilon: float | None
    family: Family | None
    leader: Family | None
    grounds: Grounds
    families: Mapping[Family, Standing]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "families": {name: dict(vars(one)) for name, one in self.families.items()}}


def levels_of(contest: Contest, epsilons: Mapping[str, float]) -> tuple[Level, ...]:
    """Return what the arms of each epsilon say, the smallest first; nothing where there are fewer than two.

    Args:
        contest: of all arms.
        epsilons: of the arms that hide single examples; NaN of those that promise nothing all the same.
    """
    arms: dict[float | None, list[str]] = {}
    for arm in contest.scores.arms:
        if (arm in contest.entrants or arm in contest.failed) and not math.isnan(epsilons.get(arm, 0.0)):
            arms.setdefault(epsilons.get(arm), []).append(arm)
    if not any(epsilon is not None for epsilon in arms) or len(arms) < 2:
        return ()
    order = sorted(arms, key=lambda epsilon: float("inf") if epsilon is None else epsilon)
    return tuple(_level(contest, epsilon, arms[epsilon]) for epsilon in order)


def _level(contest: Contest, epsilon: float | None, arms: Sequence[str]) -> Level:
    entrants = {arm: contest.entrants[arm] for arm in arms if arm in contest.entrants}
    there = {one.traits.family for one in entrants.values()}
    failed = {
        contest.traits[arm].family: Absent(f"{arm}: {contest.failed[arm]}") for arm in arms if arm in contest.failed
    }
    absent = {family: why for family, why in failed.items() if family and family not in there}
    found = find_answer(entrants, contest.evidence, contest.rule, absent)
    families = {
        name: Standing(
            one.representative,
            contest.sign * contest.strength(one.representative),
            *contest.interval(one.representative),
        )
        for name, one in found.families.items()
    }
    return Level(epsilon, found.family, found.leader, found.grounds, families)


def turning_words(levels: Sequence[Mapping[str, Any]]) -> str:
    """Say where the answer turns, from plain values; nothing of none.

    >>> alone = {"family": "fine-tune", "leader": "fine-tune", "grounds": "better"}
    >>> open_ = {"family": None, "leader": "both", "grounds": "undecided"}
    >>> print(turning_words([{"epsilon": 0.5, **alone}, {"epsilon": 1.0, **alone}, {"epsilon": None, **open_}]))
    By what single examples are promised: at epsilon 0.5 to 1 fine-tuning alone; without noise undecided, with doing
    both ahead.
    """
    if not levels:
        return ""
    said = [f"{_span(list(group))} {words}" for words, group in groupby(levels, key=_winner)]
    return f"By what single examples are promised: {'; '.join(said)}."


def _winner(level: Mapping[str, Any]) -> str:
    family, leader = level["family"], level["leader"]
    if family:
        return DOING[family]
    return f"undecided, with {DOING[leader]} ahead" if leader and level["grounds"] == "undecided" else "no claim"


def _span(levels: Sequence[Mapping[str, Any]]) -> str:
    """Say of which levels something is said.

    >>> _span([{"epsilon": 1.0}, {"epsilon": 8.0}]), _span([{"epsilon": 2.0}, {"epsilon": None}])
    ('at epsilon 1 to 8', 'from epsilon 2 on and without noise')
    """
    first, last = levels[0]["epsilon"], levels[-1]["epsilon"]
    if first is None:
        return "without noise"
    if last is None:
        return f"from epsilon {first:g} on and without noise"
    return f"at epsilon {first:g}" + (f" to {last:g}" if last != first else "")


def level_rows(levels: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield, level by level, epsilon in words, each family and how it stands."""
    for level in levels:
        epsilon = "none" if level["epsilon"] is None else f"{level['epsilon']:g}"
        yield from ((epsilon, DOING[family], one) for family, one in level["families"].items())
