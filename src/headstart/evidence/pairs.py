"""Every arm against every other, and what else decides: what a page needs to answer under another rule.

A reader who asks for another smallest difference, a price of traffic or a limit on it gets the answer that
:func:`headstart.evidence.find_answer.find_answer` would give, from these numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.answer import Answer
from headstart.evidence.contest import Contest
from headstart.evidence.contrast import contrast
from headstart.evidence.sides import FAMILIES, Family, Units
from headstart.evidence.worst_tenth import levels_of, spreads

_DIGITS = 12
_CELLS = 400_000_000
"""Numbers that all comparisons may look at together: arms behind on validation data are left out beyond."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of some arms, by the verdict's scope; every number is turned so that greater is better.

    Attributes:
        arms: names: those that ran and did not fail.
        gap: ``(pairs,)`` the first over the second, in the order of :func:`itertools.combinations`.
        se: ``(pairs,)`` its standard error; NaN without a claim.
        df: ``(pairs,)`` its degrees of freedom.
        spread: ``(pairs, 3)`` see :func:`headstart.evidence.worst_tenth.spreads`; None where nothing can be redrawn.
        worst: ``(arms,)`` the boundary of the worst tenth of the clients.
        bounded: whether no difference is beyond 1.
        left_out: arms that are not compared, since that would take too long.
    """

    arms: tuple[str, ...]
    gap: Array
    se: Array
    df: Array
    spread: Array | None
    worst: Array
    bounded: bool
    left_out: tuple[str, ...] = ()


def all_pairs(contest: Contest, *, always: Sequence[str] = (), cells: int = _CELLS) -> Pairs:
    """Compare all arms that ran and did not fail.

    Args:
        contest: of the arms.
        always: arms that are never left out.
        cells: numbers that all comparisons may look at together.
    """
    values = contest.scores.of
    ran = [arm for arm in contest.scores.arms if arm not in contest.failed and np.isfinite(values(arm)).any()]
    arms = _affordable(contest, ran, always, cells)
    found = [contrast(contest.evidence.compare(*pair), contest.rule.scope, floor=contest.evidence.is_share)
             for pair in itertools.combinations(arms, 2)]  # fmt: skip
    first, second = np.triu_indices(len(arms), 1)
    spread = spreads(contest, arms)
    return Pairs(
        arms=arms,
        gap=np.array([one.gap for one in found]),
        se=np.array([one.se for one in found]),
        df=np.array([one.df for one in found]),
        spread=None if spread is None else spread[first, second],
        worst=levels_of(contest, arms)[:, 1],
        bounded=contest.evidence.is_share,
        left_out=tuple(arm for arm in ran if arm not in arms),
    )


def _affordable(contest: Contest, arms: Sequence[str], always: Sequence[str], cells: int) -> tuple[str, ...]:
    """Keep the arms that are best on validation data, as many as can be compared."""
    units = contest.evidence
    each = units.values[arms[0]].size if arms and isinstance(units, Units) else contest.scores.values[:1].size
    most = max(2, int(np.sqrt(2 * cells / max(1, each))))
    turned = {arm: contest.sign * contest.validation.get(arm, np.nan) for arm in arms}
    best = sorted(arms, key=lambda arm: (arm not in always, -np.nan_to_num(turned[arm], nan=-np.inf)))
    return tuple(arm for arm in arms if arm in best[:most])


def pairs_json(contest: Contest, answer: Answer) -> dict[str, Any]:
    """Return what ``verdict.json`` says of all pairs, and of each arm what picks and orders it.

    Args:
        contest: of the arms.
        answer: that was found from it.
    """
    always = [standing.representative for standing in answer.families.values()]
    found, entrants = all_pairs(contest, always=always), contest.entrants
    order = sorted(found.arms, key=contest.cost)

    def turned(values: Mapping[str, float]) -> list[float]:
        return _rounded(contest.sign * np.array([values.get(arm, np.nan) for arm in found.arms]))

    return {
        "arms": list(found.arms),
        "left_out": list(found.left_out),
        "gap": _rounded(found.gap),
        "se": _rounded(found.se),
        "df": _rounded(found.df),
        "spread": None if found.spread is None else [_rounded(one, 4) for one in found.spread],
        "worst": _rounded(found.worst),
        "bounded": found.bounded,
        "order": [order.index(arm) for arm in found.arms],
        "candidates": [arm for arm in found.arms if arm in entrants],
        "beaten": [arm for arm in found.arms if arm in entrants and entrants[arm].beaten],
        "validation": turned(contest.validation),
        "validation_worst": turned(contest.validation_worst),
        "picked_by": sorted({standing.picked_by for standing in answer.families.values()}),
        "by_rules": {family: _only_rules_exclude(contest, family) for family in FAMILIES},
    }


def _only_rules_exclude(contest: Contest, family: Family) -> bool:
    """Say whether nothing but rules keeps arms of a family from being judged: no failure, no run that is missing."""
    out = [arm for arm, own in contest.traits.items() if own.family == family and arm not in contest.candidates]
    return all(arm in contest.ruled_out and arm not in contest.failed for arm in out)


def _rounded(values: Array, digits: int = _DIGITS) -> list[float]:
    """Return numbers in no more digits than a decision needs."""
    return [float(f"{value:.{digits}g}") for value in values.tolist()]
