"""What is said of an arm by the facts on its training and validation data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headstart.evidence.learnt import Conduct, conduct_warnings, findings
from headstart.evidence.measured import Facts, Part

ENTROPY = 0.693
START = Part(
    rows=200,
    classes=2,
    rarest=100,
    majority=0.5,
    entropy=ENTROPY,
    finite=1,
    accuracy=0.5,
    balanced_accuracy=0.5,
    loss=0.7,
)
GOOD = replace(START, accuracy=0.9, balanced_accuracy=0.9, loss=0.3)
FACTS = Facts(train=GOOD, began=START, val=GOOD, mixed=6, mixed_rows=200, constant=0, changed=0.4)
CONDUCT = Conduct(trains=True, is_trained=False, by_steps=True, may_refuse=False, kept=None, clients=6)


def ended(**changes: Any) -> Facts:
    """An arm that ends like this on training and validation data."""
    return replace(FACTS, train=replace(GOOD, **changes), val=replace(GOOD, **changes))


CHANCE = {"accuracy": 0.5, "balanced_accuracy": 0.5}


@pytest.mark.parametrize(
    ("facts", "conduct"),
    [
        pytest.param(FACTS, CONDUCT, id="learnt well"),
        pytest.param(FACTS, replace(CONDUCT, kept=5), id="most keep their adaptation"),
        pytest.param(ended(loss=1.6), replace(CONDUCT, by_steps=False), id="a closed form, whose loss says nothing"),
        pytest.param(ended(loss=0.69), CONDUCT, id="unsure and right"),
        pytest.param(
            replace(ended(loss=0.019), began=replace(GOOD, loss=0.0195)),
            replace(CONDUCT, is_trained=True),
            id="a start that leaves nothing to learn",
        ),
        pytest.param(
            replace(ended(accuracy=0.9, balanced_accuracy=0.7), began=None),
            replace(CONDUCT, trains=False),
            id="nothing is trained, and need not be",
        ),
        pytest.param(replace(FACTS, constant=3), CONDUCT, id="constant at half of the clients"),
        pytest.param(
            ended(majority=0.95, rarest=10, accuracy=0.94, balanced_accuracy=0.85, entropy=0.2, loss=0.15),
            CONDUCT,
            id="a rare class that is found",
        ),
    ],
)
def test_of_an_arm_that_learnt_nothing_is_said(facts: Facts, conduct: Conduct) -> None:
    assert findings(facts, conduct) == ()


@pytest.mark.parametrize(
    ("facts", "conduct", "kind"),
    [
        pytest.param(ended(loss=9.0, **CHANCE), CONDUCT, "diverged", id="loss far above"),
        pytest.param(
            ended(loss=5.0, accuracy=0.8), CONDUCT, "diverged", id="loss so far above that nothing excuses it"
        ),
        pytest.param(ended(finite=0.4, **CHANCE), CONDUCT, "diverged", id="no numbers"),
        pytest.param(replace(ended(loss=0.7, **CHANCE), changed=0.0), CONDUCT, "too slow", id="nothing moved"),
        pytest.param(
            replace(ended(loss=0.7, accuracy=0.8), began=replace(START, accuracy=0.8), changed=0.0),
            CONDUCT,
            "too slow",
            id="nothing moved from random weights that are good by chance",
        ),
        pytest.param(ended(loss=0.9, **CHANCE), CONDUCT, "not fallen", id="loss above"),
        pytest.param(
            replace(FACTS, began=replace(GOOD, loss=0.25)),
            replace(CONDUCT, is_trained=True),
            "not fallen",
            id="worse than the start",
        ),
        pytest.param(
            replace(ended(loss=0.69, **CHANCE), constant=6), replace(CONDUCT, by_steps=False), "constant", id="constant"
        ),
        pytest.param(replace(ended(loss=0.69, **CHANCE), constant=5), CONDUCT, "constant", id="constant at nearly all"),
        pytest.param(
            replace(ended(loss=0.7, **CHANCE), changed=0.0),
            replace(CONDUCT, left_out=[(f"c{i}", "not finite") for i in range(5)]),
            "diverged",
            id="most were left out",
        ),
    ],
)
def test_a_failure_comes_first_and_names_its_kind(facts: Facts, conduct: Conduct, kind: str) -> None:
    first, *others = findings(facts, conduct)
    assert (first.kind, first.failed) == (kind, True)
    assert first.words.startswith("training failed: it")
    assert not any(other.failed for other in others)


@pytest.mark.parametrize(
    ("facts", "conduct", "kinds"),
    [
        pytest.param(
            ended(loss=0.8, accuracy=0.7), CONDUCT, ["loss"], id="a loss above, and an accuracy that excuses it"
        ),
        pytest.param(ended(loss=0.71, **CHANCE), CONDUCT, ["majority", "loss"], id="labels by chance"),
        pytest.param(replace(FACTS, constant=4), CONDUCT, ["constant"], id="constant at most clients"),
        pytest.param(FACTS, replace(CONDUCT, left_out=[("a", "of zeros")]), ["left out"], id="one was left out"),
        pytest.param(FACTS, replace(CONDUCT, kept=0), ["kept by none"], id="kept by none"),
        pytest.param(
            replace(FACTS, began=GOOD),
            replace(CONDUCT, is_trained=True, may_refuse=True, kept=0),
            ["kept by none"],
            id="refused",
        ),
        pytest.param(
            replace(ended(loss=2.0, **CHANCE), began=None, constant=6),
            replace(CONDUCT, trains=False),
            ["majority", "constant"],
            id="nothing is trained, so that nothing failed",
        ),
        pytest.param(replace(FACTS, train=replace(GOOD, classes=1)), CONDUCT, ["one class"], id="one class"),
        pytest.param(replace(FACTS, train=None), CONDUCT, ["not checked"], id="no training examples"),
    ],
)
def test_all_else_is_a_warning(facts: Facts, conduct: Conduct, kinds: list[str]) -> None:
    found = findings(facts, conduct)
    assert [one.kind for one in found] == kinds
    assert not any(one.failed for one in found)


@pytest.mark.parametrize(
    ("conduct", "causes"),
    [
        (CONDUCT, ["too large a step size", "no tuning"]),
        (replace(CONDUCT, span=5000.0), ["unscaled inputs", "too large a step size", "no tuning"]),
        (replace(CONDUCT, trials=8), ["too large a step size", "a tuning range without a good one (8 trials"]),
    ],
)
def test_the_likeliest_cause_is_named_first(conduct: Conduct, causes: list[str]) -> None:
    words = findings(ended(loss=9.0, **CHANCE), conduct)[0].words
    _, _, said = words.partition("likeliest cause: ")
    assert [cause.startswith(start) for cause, start in zip(said.split(", then "), causes, strict=True)] == [
        True
    ] * len(causes)


def test_noise_is_the_likeliest_cause_where_there_is_any() -> None:
    failed = ended(loss=9.0, **CHANCE)
    (first, *_), (other, *_) = findings(failed, replace(CONDUCT, noisy=True)), findings(failed, CONDUCT)
    assert "likeliest cause: noise that drowns what clients send (lower noise_multiplier, or raise" in first.words
    assert "noise" not in other.words


def test_an_arm_whose_stages_look_at_no_labels_has_not_failed_and_says_so() -> None:
    """Self-supervision leaves the head as it was: its predictions say nothing of whether it learnt."""
    conduct = replace(CONDUCT, trains=False, by_steps=False, labelled=False)
    kinds = [one.kind for one in conduct_warnings(conduct) if one]
    assert kinds == ["no labels"]
    assert not any(one.failed for one in conduct_warnings(conduct) if one)
    assert not any(one for one in conduct_warnings(CONDUCT) if one and one.kind == "no labels")
