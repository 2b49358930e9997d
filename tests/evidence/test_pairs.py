import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from headstart.evidence.contrast import Scope, contrast
from headstart.evidence.moments import moments
from headstart.evidence.pairs import all_pairs, pairs_json
from headstart.evidence.summed import Sums, evidence_of
from headstart.evidence.verdict import Verdict
from headstart.evidence.worst_tenth import levels_of, spreads
from report.answered import CASES, outcomes_of, verdict_of


def verdict_named(name: str, **changes: object) -> Verdict:
    case = replace(CASES[name], **changes)  # type: ignore[arg-type]
    return verdict_of(case, [f"clinic-{at}" for at in range(case.clients)])[0]


@pytest.mark.parametrize("name", ["undecided", "many"])
def test_pairs_are_the_contrasts_that_the_answer_rests_on(name: str) -> None:
    verdict = verdict_named(name)
    assert verdict.contest is not None
    found = all_pairs(verdict.contest)
    at = {pair: place for place, pair in enumerate(itertools.combinations(found.arms, 2))}
    own = [one for one in verdict.answer.contrasts if one.contrast.scope == verdict.answer.rule.scope]
    assert len(own) == 3
    for one in own:
        turned = (one.arm, one.over_arm) not in at
        place = at[(one.over_arm, one.arm) if turned else (one.arm, one.over_arm)]
        assert found.gap[place] * (-1 if turned else 1) == pytest.approx(one.contrast.gap, abs=1e-12)
        assert (found.se[place], found.df[place]) == pytest.approx((one.contrast.se, one.contrast.df))


def test_json_says_what_picks_and_orders_the_arms() -> None:
    verdict = verdict_named("many")
    assert verdict.contest is not None
    said = json.loads(json.dumps(verdict.as_json(), allow_nan=False))["pairs"]
    assert said == json.loads(json.dumps(said))
    assert set(said["arms"]) - set(said["candidates"]) == {"pooled"}
    cheapest = next(arm for _, arm in sorted(zip(said["order"], said["arms"], strict=True)))
    assert cheapest == min(said["arms"], key=verdict.contest.cost) == "local"
    assert (said["picked_by"], said["bounded"], said["left_out"]) == (["validation"], True, [])
    count = len(said["arms"]) * (len(said["arms"]) - 1) // 2
    assert [len(said[name]) for name in ("gap", "se", "df", "spread")] == [count] * 4
    assert len(json.dumps(said)) < 12_000


def test_arms_that_are_behind_are_left_out_where_all_would_take_too_long() -> None:
    verdict = verdict_named("undecided")
    assert verdict.contest is not None
    rows = next(iter(verdict.contest.evidence.values.values())).size  # type: ignore[attr-defined]
    few = all_pairs(verdict.contest, cells=rows * 8)
    assert len(few.arms) == 4
    assert {"ridge", "ridge-personal"} <= set(few.arms)
    assert "local" in few.left_out
    assert "local" in all_pairs(verdict.contest, always=("local",), cells=rows * 8).arms


def test_nothing_is_claimed_of_two_seeds() -> None:
    verdict = verdict_named("no claim")
    assert verdict.contest is not None
    said = pairs_json(verdict.contest, verdict.answer)
    assert all(math.isnan(se) for se in said["se"])
    assert verdict.as_json()["pairs"]["se"] == [None] * len(said["se"])


@pytest.mark.parametrize("name", ["undecided", "many"])
def test_the_mean_varies_between_draws_as_its_standard_error_says(name: str) -> None:
    """Redrawn examples (these) and redrawn clients (like these) agree with the formulas."""
    contest = verdict_named(name, seeds=20, clients=20, held_out=0).contest
    assert contest is not None
    arms = ("local", "ridge")
    found = spreads(contest, arms)
    assert found is not None
    expected = contrast(contest.evidence.compare(*arms), contest.rule.scope, floor=True)
    assert math.sqrt(found[0, 1, 0]) == pytest.approx(expected.se, rel=0.15)
    assert np.allclose(found, found.transpose(1, 0, 2))
    assert np.all(found[0, 0] == 0)


def test_the_worst_tenth_is_the_verdicts() -> None:
    verdict = verdict_named("many")
    assert verdict.contest is not None
    levels = levels_of(verdict.contest, ("ridge", "local"))
    assert levels.ravel().tolist() == pytest.approx(
        [value for arm in ("ridge", "local") for value in (verdict.arms[arm].mean, verdict.arms[arm].worst_decile)]
    )


def test_without_rows_these_clients_cannot_be_redrawn() -> None:
    contest = verdict_named("not kept").contest
    assert contest is not None
    assert spreads(contest, contest.candidates) is None
    assert spreads(contest, ()) is None


@pytest.mark.parametrize("scope", ["these", "like these"])
def test_sums_of_clients_give_the_pairs_that_rows_give(scope: Scope) -> None:
    """Where rows stay with clients, all but the redraws of their examples is the same."""
    case = replace(CASES["undecided"], more={"clients": scope})
    names = [f"clinic-{at}" for at in range(case.clients)]
    rows = verdict_of(case, names)[0].contest
    assert rows is not None
    said = outcomes_of(case, names, 0)
    group = [moments(said, at) for at in range(case.clients)]
    sums = replace(rows, evidence=evidence_of(Sums(tuple(names), (group,)), rows.scores, rows.metric))
    found, expected = all_pairs(sums), all_pairs(rows)
    for name in ("gap", "se", "df", "worst"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-12)
    assert (found.spread is None) == (scope == "these")


def test_arms_of_other_seeds_are_compared_over_those_they_share() -> None:
    """A pair without any seed in common claims nothing, and JSON can say so."""
    contest = verdict_named("undecided").contest
    assert contest is not None
    gone = replace(contest, evidence=evidence_of(Sums(contest.scores.clients, ()), contest.scores, contest.metric))
    found = all_pairs(gone)
    assert np.isnan(found.gap).all()
    assert np.isnan(found.se).all()
