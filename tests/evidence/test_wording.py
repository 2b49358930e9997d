from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from headstart.evidence import wording
from headstart.evidence.contest import Contest
from headstart.evidence.scores import Scores


def contest(means: Mapping[str, float], clients: int = 10, seeds: int = 2, **rules: dict[str, str]) -> Contest:
    """Arms of equal clients, each dearer than the one before."""
    values = np.array([np.full((seeds, clients), mean) for mean in means.values()])
    names = tuple(f"c{i}" for i in range(clients))
    scores = Scores(tuple(means), tuple(range(seeds)), names, np.ones(clients, dtype=bool), values)
    costs = {arm: {"total_bytes": place} for place, arm in enumerate(means)}
    settings = {"ruled_out": {}, "oracle": frozenset(), **rules}
    return Contest(scores, metric="balanced_accuracy", confidence=0.9, costs=costs, **settings)


@pytest.mark.parametrize(
    ("baseline", "ruled_out", "end"),
    [
        ("fedavg", {}, "0.200 better than fedavg (90 % interval 0.200 to 0.200)."),
        ("pooled", {}, "0.050 worse than pooled (90 % interval -0.050 to -0.050)."),
        ("ridge", {}, "and it is the baseline itself."),
        ("absent", {}, "with no result of the baseline absent to compare."),
        ("absent", {"absent": "no uplink"}, "with no result of the baseline absent to compare (ruled out: no uplink)."),
    ],
)
def test_the_recommended_arm_is_compared_with_the_baseline(baseline: str, ruled_out: dict[str, str], end: str) -> None:
    found = contest({"ridge": 0.8, "fedavg": 0.6, "pooled": 0.85}, ruled_out=ruled_out, oracle=frozenset({"pooled"}))
    said = wording.sentence(found, "ridge", True, baseline, 0.01)
    assert said == f"ridge is a clear winner: mean client balanced accuracy 0.800, {end}"


@pytest.mark.parametrize(
    ("means", "clients", "start"),
    [
        ({"ridge": 0.8}, 10, "ridge is the only arm that can be recommended: "),
        (
            {"ridge": 0.8, "fedavg": 0.6},
            10,
            "No clear winner; ridge has the best mean, and no cheaper arm is within 0.01",
        ),
        (
            {"ridge": 0.8, "fedavg": 0.805},
            10,
            "No clear winner; ridge is the cheapest arm within 0.01 of the best, fedavg",
        ),
        ({"ridge": 0.8, "fedavg": 0.6}, 1, "With 1 client no significance is claimed; ridge has"),
        ({"ridge": 0.8, "fedavg": 0.6}, 4, "With 4 clients no significance is claimed; ridge has"),
    ],
)
def test_doubt_is_said_first(means: dict[str, float], clients: int, start: str) -> None:
    assert wording.sentence(contest(means, clients), "ridge", False, "ridge", 0.01).startswith(start)


def test_without_a_recommendation_nothing_is_promised() -> None:
    found = contest({"pooled": 0.9}, oracle=frozenset({"pooled"}))
    assert wording.sentence(found, None, False, "pooled", 0.01).startswith("No arm can be recommended")
    assert wording.would_change(found, None, 0.01, found.scores.unseen()) == []


def test_what_would_change_the_answer_begins_with_the_nearest_arm() -> None:
    found = contest({"ridge": 0.78, "fedavg": 0.8, "lora": 0.81}, seeds=1, ruled_out={"lora": "no memory"})
    said = wording.would_change(found, "ridge", 0.05, found.scores.unseen())
    assert said == [
        "The nearest arm is fedavg, 0.020 better (90 % interval 0.020 to 0.020).",
        "With min_effect below 0.02, fedavg would be recommended.",
        "lora is ruled out (no memory); without that rule it would be 0.030 better than ridge "
        "(90 % interval 0.030 to 0.030).",
        "One seed says nothing of the variation between seeds; no winner is clear before a second.",
    ]
