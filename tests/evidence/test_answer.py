from __future__ import annotations

import math

import pytest

from headstart.evidence.answer import Absent, Answer, Rule
from headstart.evidence.answer_words import sentence
from headstart.evidence.contrast import contrast
from headstart.evidence.find_answer import find_answer
from headstart.evidence.sides import example_units, pick
from known_outcomes import RULE, THREE, answer, entrants, outcomes


@pytest.mark.parametrize(
    ("accuracy", "family", "grounds"),
    [
        ({"alone": 0.9, "shared": 0.7, "mixed": 0.7}, "fine-tune", "better"),
        ({"alone": 0.6, "shared": 0.7, "mixed": 0.9}, "both", "better"),
        ({"alone": 0.6, "shared": 0.85, "mixed": 0.85}, "federate", "good enough"),
        ({"alone": 0.8, "shared": 0.8, "mixed": 0.8}, "fine-tune", "good enough"),
        ({"alone": 0.6}, "fine-tune", "only"),
        ({"mixed": 0.6}, "both", "only"),
    ],
)
def test_the_answer_is_the_family_that_is_best_or_cheapest_of_those_that_may_be(accuracy, family, grounds):
    found = answer(accuracy, examples=1500, shared=0.9)
    assert (found.family, found.grounds, found.leader) == (family, grounds, family)


def test_undecided_says_what_is_known_and_what_it_needs():
    found = answer({"alone": 0.6, "shared": 0.8, "mixed": 0.815}, examples=150)
    assert (found.family, found.grounds) == (None, "undecided")
    assert found.families["fine-tune"].excluded_by == ("federate", "both")
    assert found.decided_at is not None
    assert found.decided_at > RULE.min_effect
    assert found.needed is not None
    assert found.needed.examples or found.needed.seeds


def test_it_is_decided_at_the_margin_that_it_names():
    accuracy = {"alone": 0.6, "shared": 0.8, "mixed": 0.815}
    at = answer(accuracy, examples=150).decided_at
    assert at is not None
    assert answer(accuracy, examples=150, rule=Rule(at, 0.95, "these")).family is not None
    assert answer(accuracy, examples=150, rule=Rule(at * 0.99, 0.95, "these")).family is None


def test_as_many_examples_as_it_names_decide():
    accuracy = {"alone": 0.5, "shared": 0.8, "mixed": 0.8}
    found = answer(accuracy, examples=100)
    assert found.needed is not None
    assert found.needed.examples is not None
    more = math.ceil(found.needed.examples / 4)
    decided = [answer(accuracy, examples=100 + more, seed=seed).family is not None for seed in range(40)]
    assert sum(decided) > 12


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_claim_nothing(seeds):
    found = answer({"alone": 0.5, "shared": 0.9}, seeds=seeds)
    assert (found.family, found.grounds, found.leader) == (None, "no claim", "federate")
    assert found.arm == "shared"
    assert found.decided_at is None
    assert all(math.isnan(one.contrast.se) for one in found.contrasts)


def test_three_hospitals_and_three_seeds_make_a_claim():
    found = answer({"alone": 0.6, "shared": 0.8}, clients=3, seeds=3)
    assert (found.family, found.grounds) == ("federate", "better")
    contrast = found.between("federate", "fine-tune")
    assert contrast is not None
    low, high = contrast.interval(0.95)
    assert 0 < low < 0.2 < high


def test_validation_and_not_the_test_says_who_stands_for_a_family():
    families = {"one": "fine-tune", "other": "fine-tune", "shared": "federate"}
    accuracy = {"one": 0.9, "other": 0.7, "shared": 0.8}
    found = answer(accuracy, families, validation={"one": 0.5, "other": 0.9, "shared": 0.8}, examples=500)
    assert found.families["fine-tune"].representative == "other"
    assert found.family == "federate"


def test_the_arm_to_use_is_the_cheapest_that_cannot_be_worse_by_what_matters():
    families = {"cheap": "both", "bad": "both", "dear": "both", "alone": "fine-tune"}
    accuracy = {"cheap": 0.85, "bad": 0.6, "dear": 0.85, "alone": 0.5}
    validation = {"cheap": 0.84, "bad": 0.6, "dear": 0.85, "alone": 0.5}
    found = answer(accuracy, families, validation=validation, examples=2000, shared=0.95)
    assert found.families["both"].representative == "dear"
    assert found.arm == "cheap"
    assert found.regret_upper is not None
    assert found.regret_upper <= 2 * RULE.min_effect


def test_the_arm_to_use_may_be_no_worse_than_any_family_by_what_matters():
    families = {"cheap": "both", "dear": "both", "alone": "fine-tune"}
    accuracy = {"cheap": 0.84, "dear": 0.85, "alone": 0.865}
    found = answer(accuracy, families, rule=Rule(0.03, 0.95, "these"), examples=3000, shared=0.97)
    assert found.family == "both"
    assert found.regret_upper is not None
    assert found.regret_upper <= 0.03


def test_subanswers_stand_whatever_the_answer():
    families = {"scratch-alone": "fine-tune", "alone": "fine-tune", "shared": "federate", "mixed": "both"}
    found = answer({"scratch-alone": 0.5, "alone": 0.8, "shared": 0.6, "mixed": 0.7}, families)
    assert found.family == "fine-tune"
    for one, gap in ((found.start_pays, 0.3), (found.share_pays, -0.1), (found.adapt_pays, 0.1)):
        assert one is not None
        assert one.contrast.gap == pytest.approx(gap, abs=0.05)


def test_a_start_from_scratch_is_looked_for_among_all_that_share():
    families = {"scratch-shared": "federate", "mixed": "both", "alone": "fine-tune"}
    found = answer({"scratch-shared": 0.6, "mixed": 0.9, "alone": 0.5}, families)
    assert found.family == "both"
    assert found.start_pays is not None
    assert (found.start_pays.arm, found.start_pays.over_arm) == ("mixed", "scratch-shared")


def test_the_expected_regret_shrinks_with_certainty():
    accuracy = {"alone": 0.75, "shared": 0.8}
    few, many = answer(accuracy, examples=30), answer(accuracy, examples=2000)
    assert few.expected_regret is not None
    assert many.expected_regret is not None
    assert 0 <= many.expected_regret < few.expected_regret < 0.05


def test_a_family_whose_rivals_failed_to_train_is_no_answer():
    accuracy = {"alone": 0.8}
    units = example_units(outcomes(accuracy), "accuracy")
    known = entrants({"alone": "fine-tune"}, accuracy)
    found = find_answer(known, units, RULE, {"federate": Absent("shared: training failed")})
    assert (found.family, found.grounds, found.arm) == (None, "no claim", "alone")
    assert math.isnan(found.families["fine-tune"].regret_upper)
    ruled_out = find_answer(known, units, RULE, {"federate": Absent("shared is ruled out: no uplink", ruled_out=True)})
    assert (ruled_out.family, ruled_out.grounds) == ("fine-tune", "only")
    assert "the only family that its devices and data allow. Not judged: federating" in sentence(ruled_out, "accuracy")


def test_no_arm_no_answer():
    units = example_units(outcomes({"pooled": 0.9}), "accuracy")
    assert find_answer({}, units, RULE) == Answer(None, "no claim", None, RULE)


def test_what_cross_fitting_picked_for_both_is_compared_as_itself():
    arms = {"alone": 0.7, "shared": 0.8, "mixed": 0.8}
    nowhere = dict.fromkeys(arms, float("nan"))
    units = example_units(outcomes(arms, examples=50), "accuracy")
    sharing = pick(["shared", "mixed"], entrants({"shared": "federate", "mixed": "both"}), units)
    alone = pick(["alone"], entrants({"alone": "fine-tune"}), units)
    assert sharing is not None
    assert alone is not None
    found = find_answer(entrants(THREE, nowhere), units, RULE).share_pays
    assert found is not None
    assert found.contrast.gap == pytest.approx(contrast(units.between(sharing, alone), "these", floor=True).gap)
