"""What is to be noticed over seeds, and of arms beside each other."""

from __future__ import annotations

import pytest

from headstart.evidence.learnt import Finding
from headstart.evidence.noticed import Heads, Standing, beside_each_other, over_seeds

BAD, ODD = Finding("diverged", "training failed: it diverged", True), Finding("loss", "the loss did not fall")
POOLED = Standing(0.8, 200, "random", pooled=True, federated=False, shared=True, trains=True)
FEDAVG = Standing(0.8, 200, "random", pooled=False, federated=True, shared=True, trains=True)
LOCAL = FEDAVG._replace(federated=False, shared=False)
HEADS = Heads(pooled=0.9, local=0.7, majority=0.5)


@pytest.mark.parametrize(
    ("seeds", "reason", "warnings"),
    [
        ({0: [], 1: []}, None, []),
        ({0: [BAD], 1: [BAD, ODD]}, BAD.words, []),
        ({0: [BAD], 1: []}, f"{BAD.words} (in 1 of 2 seeds)", []),
        ({0: [BAD], 1: [], 2: []}, None, [f"seed 0: {BAD.words}"]),
        ({0: [ODD], 1: [ODD]}, None, [ODD.words]),
        ({0: [ODD], 1: []}, None, [f"{ODD.words} (in 1 of 2 seeds)"]),
        ({0: None, 1: []}, None, ["not checked whether it learnt anything: its records are older than the check"]),
    ],
)
def test_an_arm_fails_in_half_of_its_seeds(
    seeds: dict[int, list[Finding] | None], reason: str | None, warnings: list[str]
) -> None:
    assert over_seeds(seeds) == (reason, warnings)


@pytest.mark.parametrize(
    "better",
    [
        FEDAVG,
        FEDAVG._replace(accuracy=0.85),
        FEDAVG._replace(accuracy=1.0, start="pretrained"),
        FEDAVG._replace(accuracy=1.0, shared=False),
        LOCAL._replace(accuracy=1.0),
    ],
    ids=["as good", "better by chance", "of another start", "personal", "alone"],
)
def test_a_reference_may_be_as_good_as_others_or_below_what_it_does_not_bound(better: Standing) -> None:
    assert beside_each_other({"pooled": POOLED, "other": better}, None) == {}


def test_a_reference_below_what_sees_less_bounds_nothing() -> None:
    found = beside_each_other({"pooled": POOLED, "fedavg": FEDAVG._replace(accuracy=0.95)}, None)
    assert list(found) == ["pooled"]
    assert "the reference is below fedavg, which sees less (0.800 against 0.950)" in found["pooled"][0]


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (FEDAVG, False),
        (FEDAVG._replace(accuracy=0.7), False),
        (FEDAVG._replace(accuracy=0.6), True),
        (FEDAVG._replace(accuracy=0.6, rows=10), False),
        (FEDAVG._replace(accuracy=0.6, trains=False), False),
        (LOCAL._replace(accuracy=0.6), False),
        (LOCAL._replace(accuracy=0.5), True),
    ],
    ids=["near", "half way", "far below", "few examples", "not trained", "near a head alone", "far below a head alone"],
)
def test_an_arm_far_below_a_simple_head_is_said(standing: Standing, said: bool) -> None:
    assert bool(beside_each_other({"arm": standing}, HEADS)) == said
