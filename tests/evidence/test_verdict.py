from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from headstart.core.errors import DataError
from headstart.evidence import Scores, decide
from headstart.evidence.sides import Family, Traits
from known_outcomes import outcomes

COSTS = {
    "zero-shot": {"total_bytes": 10, "client_flops": 1},
    "local": {"total_bytes": 0, "client_flops": 50},
    "ridge": {"total_bytes": 20, "client_flops": 5},
    "finetune-head": {"total_bytes": 10, "client_flops": 20},
    "fedavg": {"total_bytes": 900, "client_flops": 90},
    "pooled": {"total_bytes": 5000, "client_flops": 0},
}

FAMILIES: dict[str, Family | None] = {
    "zero-shot": "fine-tune",
    "local": "fine-tune",
    "finetune-head": "fine-tune",
    "ridge": "federate",
    "fedavg": "federate",
    "ridge-personal": "both",
    "pooled": None,
}


def make(means: dict[str, float], clients: int = 20, seeds: int = 5, noise: float = 0.002, held_out: int = 0) -> Scores:
    """Arms that share every client's difficulty, so that paired differences are small beside the spread."""
    generator = np.random.default_rng(0)
    difficulty = 0.1 * generator.standard_normal(clients)
    values = np.stack(
        [mean + difficulty + noise * generator.standard_normal((seeds, clients)) for mean in means.values()]
    )
    seen = np.arange(clients) < clients - held_out
    return Scores(tuple(means), tuple(range(seeds)), tuple(f"c{i}" for i in range(clients)), seen, values)


def verdict(scores: Scores, **changes: Any):
    settings: dict[str, Any] = {
        "baseline": "fedavg",
        "metric": "accuracy",
        "min_effect": 0.01,
        "confidence": 0.95,
        "costs": COSTS,
        "ruled_out": {},
        "traits": {arm: Traits(FAMILIES[arm], arm in ("local", "fedavg")) for arm in scores.arms},
        "clients": "like these",
    }
    return decide(scores, **(settings | changes))


def test_a_family_that_is_ahead_is_the_answer_and_its_arm_is_recommended():
    found = verdict(make({"ridge": 0.9, "finetune-head": 0.8, "fedavg": 0.7}))
    assert (found.answer.family, found.answer.grounds) == ("federate", "better")
    assert (found.recommended, found.clear_winner) == ("ridge", True)
    assert found.effect == pytest.approx(0.2, abs=0.005)
    assert found.interval is not None
    assert found.interval[0] < found.effect < found.interval[1]
    assert found.family_best == {"federate": 1.0, "fine-tune": 0.0}
    assert found.nearest is not None
    assert found.nearest["arm"] == "finetune-head"
    assert found.sentence.startswith("Federate: better than fine-tuning alone by 10 points (95 %")
    assert found.sentence.endswith("for clients like these.")


def test_pairing_makes_a_small_steady_gain_visible():
    # The clients' own spread (0.1) is ten times the gain (0.01).
    found = verdict(make({"ridge": 0.81, "finetune-head": 0.8}), baseline="ridge", min_effect=0.005)
    assert found.answer.grounds == "better"


def test_twins_of_one_family_do_not_keep_it_from_winning():
    found = verdict(make({"ridge": 0.9, "fedavg": 0.9, "finetune-head": 0.8}))
    assert (found.answer.family, found.answer.grounds) == ("federate", "better")
    assert not found.clear_winner


def test_validation_picks_who_stands_for_a_family():
    scores = make({"ridge": 0.9, "fedavg": 0.7, "finetune-head": 0.8})
    validation = make({"ridge": 0.5, "fedavg": 0.7, "finetune-head": 0.8})
    found = verdict(scores, validation=validation)
    assert found.answer.families["federate"].representative == "fedavg"
    assert found.answer.families["federate"].picked_by == "validation"
    assert found.answer.family == "fine-tune"


def test_equal_bytes_are_decided_by_client_flops():
    costs = COSTS | {"ridge": {"total_bytes": 10, "client_flops": 5}}
    found = verdict(make({"finetune-head": 0.9, "ridge": 0.9}), costs=costs, baseline="ridge", min_effect=0.02)
    assert (found.answer.grounds, found.recommended) == ("good enough", "ridge")


def test_predictions_of_examples_speak_of_these_clients():
    found = outcomes({"ridge": 0.8, "finetune-head": 0.6})
    right = np.stack([found.scores(arm, "accuracy") for arm in found.arms])
    values = np.stack([right[:, :, found.owner == at].mean(axis=2) for at in range(4)], axis=2)
    scores = Scores(found.arms, found.seeds, found.clients, found.seen, values)
    judged = verdict(scores, outcomes=found, baseline="ridge", clients=None)
    assert (judged.answer.family, judged.answer.rule.scope) == ("federate", "these")
    assert judged.answer.between("federate", "fine-tune").gap == pytest.approx(values[0].mean() - values[1].mean())
    assert [gain.client for gain in judged.each_client] == ["c0", "c1", "c2", "c3"]
    assert judged.arms["ridge"].interval is not None
    assert judged.hurt["finetune-head"]["local_by_chance"] is None


@pytest.mark.parametrize(
    ("clients", "held_out", "metric", "scope"),
    [
        (20, 0, "accuracy", "these"),
        (21, 0, "accuracy", "like these"),
        (20, 2, "accuracy", "like these"),
        (5, 0, "macro_f1", "like these"),
    ],
)
def test_of_which_clients_an_answer_speaks_by_default(clients, held_out, metric, scope):
    scores = make({"ridge": 0.9, "fedavg": 0.7}, clients=clients, held_out=held_out)
    assert verdict(scores, clients=None, metric=metric).answer.rule.scope == scope


def test_a_reference_is_shown_and_never_recommended():
    found = verdict(make({"pooled": 0.95, "ridge": 0.9, "fedavg": 0.7}))
    assert found.recommended == "ridge"
    assert "pooled" not in found.probability_best
    assert "pooled" not in found.pareto
    assert found.arms["pooled"].status == "reference"
    assert any("pooled, a reference" in line and "could still add" in line for line in found.would_change)


def test_a_ruled_out_arm_is_shown_and_never_recommended():
    found = verdict(make({"ridge": 0.95, "finetune-head": 0.9, "fedavg": 0.7}), ruled_out={"ridge": "uplink = none"})
    assert found.recommended == "finetune-head"
    assert found.ruled_out == {"ridge": "uplink = none"}
    assert found.arms["ridge"].mean is not None
    assert any("ridge is ruled out (uplink = none); without that rule" in line for line in found.would_change)


def test_a_ruled_out_baseline_that_never_ran_leaves_no_effect():
    found = verdict(make({"ridge": 0.9, "finetune-head": 0.8}), ruled_out={"fedavg": "uplink = none"})
    assert found.effect is None
    assert found.interval is None
    assert any("fedavg was ruled out and not run" in line for line in found.would_change)


def test_an_arm_that_failed_for_a_seed_is_shown_and_not_recommended():
    scores = make({"ridge": 0.95, "finetune-head": 0.9, "fedavg": 0.7})
    scores.values[0, 2] = np.nan
    found = verdict(scores)
    assert found.recommended == "finetune-head"
    assert found.arms["ridge"].status == "incomplete"
    assert "ridge lacks results for seed 2: it is shown and cannot be recommended." in found.would_change


def test_effects_use_the_cells_that_both_arms_have():
    scores = make({"ridge": 0.9, "fedavg": 0.7}, noise=0.0)
    scores.values[:, 3:] -= 0.3
    scores.values[1, 3:] = np.nan
    found = verdict(scores)
    assert found.effect == pytest.approx(0.2)


def test_a_client_without_test_data_counts_for_nobody():
    scores = make({"ridge": 0.9, "fedavg": 0.7})
    scores.values[:, :, 4] = np.nan
    found = verdict(scores)
    assert found.num_clients == 19
    assert found.arms["ridge"].status == "candidate"


def test_few_clients_are_listed_one_by_one():
    found = verdict(make({"ridge": 0.9, "finetune-head": 0.7}, clients=4), baseline="ridge")
    assert found.few_clients
    assert list(found.clients) == ["c0", "c1", "c2", "c3"]
    assert set(found.clients["c0"]) == {"ridge", "finetune-head"}
    assert found.answer.family == "federate"
    assert found.family_best == {}


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_claim_nothing(seeds):
    found = verdict(make({"ridge": 0.9, "finetune-head": 0.7}, seeds=seeds), baseline="ridge")
    assert (found.answer.family, found.answer.grounds, found.clear_winner) == (None, "no claim", False)
    assert found.recommended == "ridge"
    assert found.interval is None
    assert f"it needs 3 seeds, and {seeds} w" in found.sentence


def test_held_out_clients_stand_beside_and_do_not_decide():
    scores = make({"ridge": 0.9, "finetune-head": 0.8, "fedavg": 0.7}, held_out=4)
    scores.values[0, :, 16:] = 0.1
    found = verdict(scores)
    assert found.recommended == "ridge"
    assert found.num_clients == 16
    assert found.arms["ridge"].unseen_mean == pytest.approx(0.1)
    assert any("On 4 held-out clients finetune-head has the best mean" in line for line in found.would_change)


def test_only_held_out_clients_decide_where_there_are_no_others():
    found = verdict(make({"ridge": 0.9, "fedavg": 0.7}, held_out=20))
    assert found.recommended == "ridge"
    assert found.num_clients == 20


def test_a_lower_loss_wins():
    found = verdict(make({"ridge": 0.3, "fedavg": 0.6}), metric="log_loss")
    assert (found.recommended, found.clear_winner) == ("ridge", True)
    assert found.effect == pytest.approx(0.3, abs=0.005)
    assert found.arms["ridge"].worst_client is not None
    assert found.arms["ridge"].mean is not None
    assert found.arms["ridge"].worst_client > found.arms["ridge"].mean


def test_hurt_is_measured_against_local_and_against_the_arm_without_adaptation():
    means = {"zero-shot": 0.6, "local": 0.5, "fedavg": 0.7, "ridge": 0.4}
    found = verdict(make(means, noise=0.0), keep={"ridge": "fedavg"})
    chance = {"local_by_chance": None, "keep_by_chance": None}
    assert found.hurt["ridge"] == {"local": 1.0, "keep": 1.0, **chance}
    assert found.hurt["fedavg"] == {"local": 0.0, "keep": 0.0, **chance}
    assert found.hurt["local"] == {"local": None, "keep": 1.0, **chance}


def test_pareto_front_is_not_beaten_in_mean_and_bytes():
    means = {"zero-shot": 0.6, "local": 0.5, "ridge": 0.8, "finetune-head": 0.7, "fedavg": 0.75}
    assert verdict(make(means)).pareto == ["local", "finetune-head", "ridge"]


def test_probabilities_add_up_and_equal_arms_share():
    scores = make({"ridge": 0.9, "finetune-head": 0.9, "fedavg": 0.7}, noise=0.0)
    found = verdict(scores)
    assert found.probability_best == pytest.approx({"ridge": 0.5, "finetune-head": 0.5, "fedavg": 0.0})


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_order_of_arms_changes_nothing(order):
    scores = make({"ridge": 0.905, "finetune-head": 0.9, "fedavg": 0.7})
    arms = tuple(scores.arms[i] for i in order)
    found = verdict(Scores(arms, scores.seeds, scores.clients, scores.seen, scores.values[order]))
    assert found.recommended == verdict(scores).recommended
    assert found.sentence == verdict(scores).sentence
    assert found.probability_best == verdict(scores).probability_best


def test_no_candidate_no_recommendation():
    found = verdict(make({"pooled": 0.9, "fedavg": 0.8}), ruled_out={"fedavg": "uplink = none"})
    assert found.recommended is None
    assert found.sentence == "No arm may be recommended; federating (fedavg is ruled out: uplink = none)."


def test_json_holds_no_nan():
    scores = make({"ridge": 0.9, "fedavg": 0.7, "local": 0.5}, clients=1, seeds=1)
    scores.values[2] = np.nan
    text = json.dumps(verdict(scores, predicted="ridge").as_json(), allow_nan=False)
    keys = {"answer", "grounds", "headline", "families", "contrasts", "share_pays", "decided_at", "looks"}
    assert keys <= set(json.loads(text))
    keys = {"recommended", "probability_best", "baseline", "effect", "interval", "ruled_out", "predicted"}
    assert keys <= set(json.loads(text))
    assert json.loads(text)["predicted"] == "ridge"


def test_no_scores_no_verdict():
    scores = make({"fedavg": 0.7})
    scores.values[:] = np.nan
    with pytest.raises(DataError, match="needs a client with a score in 'accuracy', got none"):
        verdict(scores)


def test_an_arm_that_was_left_out_of_a_run_is_said():
    scores = make({"ridge": 0.9, "finetune-head": 0.8, "fedavg": 0.7})
    scores.values[2] = np.nan
    found = verdict(scores, baseline="ridge")
    assert found.cautions[0].startswith("Not every arm of the study has run (fedavg)")
