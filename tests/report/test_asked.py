"""The page asked otherwise says what the verdict would: the script in a browser against the judge in Python."""

from __future__ import annotations

import html
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.evidence import Verdict
from headstart.evidence.answer_words import headline
from headstart.report import load_run
from headstart.report.asked import CROSSED, OLD, asked, halves, why_not
from headstart.report.page import to_html
from headstart.report.script import part
from headstart.report.summary import arm_rows

from .answered import ALONE, BOTH, CASES, SHARED, Case, verdict_of, write_answered
from .browser import needs_chromium, ran
from .run_folders import SLATE

NEUTRAL = {"price": 0, "weight": 0, "rate": 10, "longest": None}
LEASTS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.2)


def rule(**changes: Any) -> dict[str, Any]:
    return {"least": 0.02, **NEUTRAL, **changes}


def study_of(folder: Path) -> dict[str, Any]:
    run = load_run(folder)
    found = asked(run, arm_rows(run))
    assert found is not None
    return found


def in_browser(questions: list[tuple[dict[str, Any], dict[str, Any]]], folder: Path) -> list[dict[str, Any]]:
    """Ask the script all questions in one page."""
    data = json.dumps(questions).replace("<", "\\u003c")
    test = part("what_if") + (
        f"const found = {data}.map(([study, asked]) => {{ const one = decide(study, asked); "
        "return { ...one, headline: headline(study, one) }; });"
        'document.getElementById("found").textContent = JSON.stringify(found);'
    )
    found: list[dict[str, Any]] = json.loads(ran("<!doctype html><html><body></body></html>", test, folder))
    return found


def judged(name: str, least: float, ruled_out: Mapping[str, str] | None = None) -> Verdict:
    case = CASES[name]
    more = {**case.more, "ruled_out": {**case.more.get("ruled_out", {}), **(ruled_out or {})}}
    case = replace(case, min_effect=least, more=more)
    return verdict_of(case, [f"clinic-{at + 1}" for at in range(case.clients)])[0]


def same(study: dict[str, Any], found: dict[str, Any], verdict: Verdict) -> None:
    answer = verdict.answer
    assert (found["family"], found["grounds"], found["leader"]) == (answer.family, answer.grounds, answer.leader)
    assert found["headline"] == headline(answer)
    assert (None if found["arm"] is None else study["arms"][found["arm"]]) == verdict.recommended
    assert set(found["sides"]) == set(answer.families)
    for family, standing in answer.families.items():
        own = found["sides"][family]
        assert study["arms"][own["arm"]] == standing.representative
        assert set(own["excluded"]) == set(standing.excluded_by)
        if len(answer.families) > 1 and math.isfinite(standing.regret_upper):
            assert own["upper"] == pytest.approx(standing.regret_upper, abs=1e-9)


@needs_chromium
@pytest.mark.slow
def test_the_script_answers_as_the_judge_does(answered: dict[str, Path], tmp_path: Path) -> None:
    """At its first position, at other smallest differences, and where arms take too long, in every case."""
    questions, verdicts = [], []
    for name, case in CASES.items():
        study = study_of(answered[name])
        for least in (case.min_effect, *LEASTS):
            questions.append((study, rule(least=least)))
            verdicts.append(judged(name, least))
        # At 1 Mbit/s ridge sends for seconds, a whole network for an hour or more.
        for longest in (0.0, 0.01, 1.0):
            late = {arm: "too long" for arm in case.levels if SLATE[arm][6] * 8 / 1e6 / 3600 > longest}
            questions.append((study, rule(least=case.min_effect, rate=1, longest=longest)))
            verdicts.append(judged(name, case.min_effect, late))
    found = in_browser(questions, tmp_path)
    for (study, _), one, verdict in zip(questions, found, verdicts, strict=True):
        same(study, one, verdict)
    assert {one["grounds"] for one in found} == {"better", "good enough", "undecided", "no claim", "only"}


def by_hand(verdict: Verdict, study: dict[str, Any], price: float, weight: float) -> dict[str, float]:
    """Each family's gap to the best other, by hand: what its arm scores, less the price of what it sends."""
    named = {arm: at for at, arm in enumerate(study["arms"])}
    worth = {
        arm: (1 - weight) * (row.mean or 0) + weight * (row.worst_decile or 0) - price * study["traffic"][named[arm]]
        for arm, row in verdict.arms.items()
    }
    assert verdict.contest is not None
    foreseen = {
        arm: (1 - weight) * verdict.contest.validation[arm]
        + weight * verdict.contest.validation_worst[arm]
        - price * study["traffic"][named[arm]]
        for arm in verdict.contest.candidates
    }
    families = {
        family: max((arm for arm in foreseen if verdict.arms[arm].family == family), key=lambda arm: foreseen[arm])
        for family in ("fine-tune", "federate", "both")
    }
    return {
        family: max(worth[other] for name, other in families.items() if name != family) - worth[arm]
        for family, arm in families.items()
    }


@needs_chromium
@pytest.mark.slow
def test_a_price_and_the_worst_tenth_count_as_by_hand(answered: dict[str, Path], tmp_path: Path) -> None:
    study = study_of(answered["undecided"])
    verdict = judged("undecided", 0.01)
    settings = [(price, weight) for price in (0.0, 1e-3, 1e-2) for weight in (0.0, 0.5, 1.0)]
    found = in_browser([(study, rule(price=price, weight=weight)) for price, weight in settings], tmp_path)
    for (price, weight), one in zip(settings, found, strict=True):
        behind = {family: side["behind"] for family, side in one["sides"].items()}
        assert behind == pytest.approx(by_hand(verdict, study, price, weight), abs=1e-9)
    # At a point per megabyte nobody would send or fetch a network.
    assert found[-3]["headline"] == "Fine-tune, do not upload"
    # The wider the worst tenth counts, the wider the interval.
    widths = [one["sides"]["both"]["upper"] - one["sides"]["both"]["behind"] for one in found[:3]]
    assert widths[0] < widths[1] < widths[2]


@needs_chromium
@pytest.mark.slow
def test_with_no_uplink_who_sends_is_excluded(answered: dict[str, Path], tmp_path: Path) -> None:
    study = study_of(answered["better"])
    study["by_rules"] = dict.fromkeys(study["by_rules"], False)
    none, short = in_browser([(study, rule(rate=0)), (study, rule(longest=0))], tmp_path)
    assert none["late"] == short["late"] == [size > 0 for size in study["upload"]]
    assert (none["family"], none["grounds"]) == (short["family"], short["grounds"]) == ("fine-tune", "only")


@needs_chromium
@pytest.mark.slow
def test_the_prices_at_which_the_answer_turns_are_found(answered: dict[str, Path], tmp_path: Path) -> None:
    study = study_of(answered["better"])
    highest = 10.0
    test = part("what_if") + (
        f"const study = {json.dumps(study)}, asked = {json.dumps(rule())}, turns = turnsOf(study, asked, {highest});"
        "const said = (price) => headline(study, decide(study, { ...asked, price }));"
        "const found = turns.map(({ price, says }) => [said(price * 0.9999), says, said(price)]);"
        'document.getElementById("found").textContent = JSON.stringify([found, said(0)]);'
    )
    found, first = json.loads(ran("<!doctype html><html><body></body></html>", test, tmp_path))
    assert found[0][0] == first == "Federate"
    assert found[-1][1] == "Fine-tune, do not upload"
    assert all(before != after == said for before, after, said in found)


def test_half_widths_are_those_of_the_contrasts(answered: dict[str, Path]) -> None:
    run = load_run(answered["undecided"])
    contrast = next(one for one in run.verdict["contrasts"] if one["scope"] == run.verdict["scope"])
    pairs = run.verdict["pairs"]
    names = [{*pair} for pair in itertools.combinations(pairs["arms"], 2)]
    at = names.index({contrast["arm"], contrast["over_arm"]})
    both = halves(pairs, run.verdict["confidence"])[at]
    assert both is not None
    assert both[1] == pytest.approx((contrast["high"] - contrast["low"]) / 2)
    assert both[0] < both[1]


def test_no_claim_has_no_half_width(answered: dict[str, Path]) -> None:
    assert set(map(str, study_of(answered["no claim"])["half"])) == {"None"}


def test_an_older_verdict_says_that_it_must_be_judged_again(slate_folder: Path) -> None:
    run = load_run(slate_folder)
    assert asked(run, arm_rows(run)) is None
    assert why_not(run) == OLD


CROSSED_CASE = Case({**ALONE, **SHARED, **BOTH}, clients=5, examples=150, min_effect=0.01, more={"validation": None})


@needs_chromium
@pytest.mark.slow
def test_where_arms_were_picked_by_cross_fitting_only_the_difference_can_be_another(tmp_path: Path) -> None:
    folder = write_answered(tmp_path / "run", CROSSED_CASE)
    study, names = study_of(folder), [f"clinic-{at + 1}" for at in range(5)]
    found = in_browser([(study, rule(least=least)) for least in (0.01, *LEASTS)], tmp_path)
    for at, (least, one) in enumerate(zip((0.01, *LEASTS), found, strict=True)):
        verdict = verdict_of(replace(CROSSED_CASE, min_effect=least), names)[0]
        answer = verdict.answer
        assert (one["family"], one["grounds"], one["leader"]) == (answer.family, answer.grounds, answer.leader)
        assert one["headline"] == headline(answer)
        own = answer.families[one["leader"]].representative if at else verdict.recommended
        assert study["arms"][one["arm"]] == own or least == 0.01
    assert CROSSED in html.unescape(to_html(load_run(folder)))


def test_what_is_sent_is_in_megabytes(answered: dict[str, Path]) -> None:
    study = study_of(answered["better"])
    at = study["arms"].index("fedavg")
    assert study["traffic"][at] == pytest.approx((SLATE["fedavg"][5] + SLATE["fedavg"][6]) / 1e6)
    assert study["upload"][at] == pytest.approx(SLATE["fedavg"][6] / 1e6)
    assert np.isfinite(study["gap"]).all()
    assert Case({**ALONE, **SHARED, **BOTH}).levels.keys() >= set(study["arms"])
