"""Who wins at which epsilon."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evidence.by_epsilon import level_rows, turning_words
from headstart.evidence.noticed import Noticed
from headstart.evidence.scores import Scores
from headstart.evidence.sides import Traits
from headstart.evidence.verdict import Verdict, decide

EPSILONS = {"local-eps1": 1.0, "fedavg-eps1": 1.0, "local-eps8": 8.0, "fedavg-eps8": 8.0}
MEANS = {
    "local": 0.8,
    "fedavg": 0.6,
    "local-eps1": 0.3,
    "fedavg-eps1": 0.5,
    "local-eps8": 0.55,
    "fedavg-eps8": 0.55,
}


def judged(epsilons: dict[str, float], **failed: str) -> Verdict:
    noise = 0.01 * np.random.default_rng(0).standard_normal((len(MEANS), 3, 8))
    values = np.array([*MEANS.values()])[:, None, None] + noise
    scores = Scores(tuple(MEANS), (0, 1, 2), tuple("abcdefgh"), np.ones(8, dtype=bool), values)
    traits = {arm: Traits("fine-tune" if arm.startswith("local") else "federate", False) for arm in MEANS}
    return decide(
        scores,
        baseline="fedavg",
        metric="accuracy",
        min_effect=0.02,
        confidence=0.95,
        costs={},
        ruled_out={},
        traits=traits,
        clients="like these",
        epsilons=epsilons,
        noticed=Noticed(failed={name.replace("_", "-"): why for name, why in failed.items()}),
    )


def test_the_question_is_asked_of_the_arms_of_each_epsilon() -> None:
    verdict = judged(EPSILONS)
    said = verdict.as_json()["by_epsilon"]
    assert [level["epsilon"] for level in said] == [1.0, 8.0, None]
    assert [level["family"] for level in said][::2] == ["federate", "fine-tune"]
    assert said[0]["families"]["federate"]["arm"] == "fedavg-eps1"
    for level in verdict.by_epsilon:
        for one in level.families.values():
            assert one.low < one.mean < one.high
            assert one.mean == pytest.approx(MEANS[one.arm], abs=0.01)
    assert verdict.answer.family == "fine-tune"


def test_without_noise_or_with_one_epsilon_alone_there_is_nothing_to_tell() -> None:
    assert judged({}).by_epsilon == ()
    assert judged(dict.fromkeys(MEANS, 2.0)).by_epsilon == ()


def test_nothing_is_claimed_where_all_rivals_failed() -> None:
    said = judged(EPSILONS, local_eps1="it diverged").as_json()["by_epsilon"]
    assert (said[0]["family"], said[0]["leader"], said[0]["grounds"]) == (None, "federate", "no claim")
    assert "at epsilon 1 no claim; " in turning_words(said)


def test_it_is_said_in_one_sentence_and_in_rows() -> None:
    said = judged(EPSILONS).as_json()["by_epsilon"]
    words = turning_words(said)
    assert words == (
        "By what single examples are promised: at epsilon 1 federating; from epsilon 8 on and without noise "
        "fine-tuning alone."
    )
    rows = [(epsilon, doing, one["arm"]) for epsilon, doing, one in level_rows(said)]
    assert rows[0] == ("1", "fine-tuning alone", "local-eps1")
    assert rows[-1] == ("none", "federating", "fedavg")
    assert turning_words([]) == ""
