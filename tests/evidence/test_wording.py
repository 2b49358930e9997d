from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.evidence import wording
from headstart.evidence.answer import Rule
from headstart.evidence.contest import Contest
from headstart.evidence.metrics import measure
from headstart.evidence.scores import Scores
from headstart.evidence.sides import Traits, client_units


def contest(means: Mapping[str, float], clients: int = 10, seeds: int = 3, **rules: dict[str, str]) -> Contest:
    """Arms of equal clients, each dearer than the one before; ``pooled`` is a reference."""
    values = np.array([np.full((seeds, clients), mean) for mean in means.values()])
    names = tuple(f"c{i}" for i in range(clients))
    scores = Scores(tuple(means), tuple(range(seeds)), names, np.ones(clients, dtype=bool), values)
    costs = {arm: {"total_bytes": place} for place, arm in enumerate(means)}
    traits = {arm: Traits(None if arm == "pooled" else "federate", from_scratch=False) for arm in means}
    return Contest(
        scores,
        client_units(scores, "balanced_accuracy"),
        metric=measure("balanced_accuracy"),
        rule=Rule(0.01, 0.9, "like these"),
        costs=costs,
        traits=traits,
        **{"ruled_out": {}, **rules},
    )


def test_without_a_recommendation_only_failures_are_said() -> None:
    found = contest({"pooled": 0.9, "ridge": 0.5}, failed={"ridge": "training failed"})
    said = ["ridge is compared with nothing (training failed); trained well, it might win."]
    assert wording.would_change(found, None, found.scores.unseen()) == said


def test_what_would_change_the_answer_begins_with_the_nearest_arm() -> None:
    found = contest({"ridge": 0.78, "fedavg": 0.8, "lora": 0.81, "pooled": 0.7}, ruled_out={"lora": "no memory"})
    assert wording.would_change(found, "ridge", found.scores.unseen()) == [
        "The nearest arm is fedavg, 2 points better (90 % 2.0 to 2.0).",
        "lora is ruled out (no memory); without that rule it would be 3 points better than ridge (90 % 3.0 to 3.0).",
        "pooled, a reference that no real client can run, is 8 points worse than ridge "
        "(90 % -8.0 to -8.0): it is beaten, and bounds nothing.",
    ]


def test_without_an_interval_none_is_said() -> None:
    found = contest({"ridge": 0.78, "fedavg": 0.8}, seeds=1)
    assert wording.would_change(found, "ridge", found.scores.unseen()) == [
        "The nearest arm is fedavg, 2 points better."
    ]
