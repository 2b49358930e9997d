"""Every federated arm of the standard slate and of the presets has a twin that stays alone; who lacks one hears it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from headstart.study.twins import Practice, twin_lines, without_twin
from headstart.study.written.arms import Arm, with_defaults
from headstart.study.written.slate import standard_slate

PRACTICE = Practice(clients=10, examples=40)
FEDAVG = {"method": "fedavg", "rounds": 6, "local_epochs": 2}


def alone(epochs: int, method: str = "full_finetune", **settings: Any) -> Arm:
    return Arm("alone", "random", adapt={"method": method, "epochs": epochs, **settings})


@pytest.mark.parametrize("trainable", [None, "head", "all", 2])
@pytest.mark.parametrize(("checkpoint", "central", "bare"), list(itertools.product([True, False], repeat=3)))
def test_the_standard_slate_compares_like_with_like(
    checkpoint: bool, central: bool, bare: bool, trainable: str | int | None
) -> None:
    slate = standard_slate(checkpoint=checkpoint, central=central, same_classes=central, bare=bare)
    arms = [with_defaults(arm, {}, trainable) for arm in slate.arms]
    assert without_twin(arms, PRACTICE) == {}


@pytest.mark.parametrize(
    ("federate", "twin", "matched"),
    [
        (FEDAVG, alone(12), True),
        (FEDAVG, alone(11), True),
        (FEDAVG, alone(10), False),
        ({**FEDAVG, "cohort_size": 5}, alone(6), True),
        ({**FEDAVG, "local_steps": 5, "batch_size": 8}, alone(6), True),
        ({**FEDAVG, "local_steps": 20, "batch_size": 8}, alone(12), False),
        ({**FEDAVG, "trainable": "head"}, alone(12), False),
        ({**FEDAVG, "trainable": "head"}, alone(12, "linear_probe"), True),
        ({**FEDAVG, "method": "fedit"}, alone(12, "lora"), True),
        ({**FEDAVG, "method": "fedrep", "head_epochs": 3}, alone(12), False),
        ({**FEDAVG, "method": "fedrep", "head_epochs": 3}, alone(30), True),
        ({"method": "ridge"}, Arm("alone", "random", adapt="local_ridge"), True),
        ({"method": "ridge"}, Arm("alone", "random"), False),
        ({"method": "ridge"}, alone(12), False),
        (FEDAVG, Arm("alone", "pretrained", adapt={"method": "full_finetune", "epochs": 12}), False),
    ],
    ids=str,
)
def test_a_twin_starts_alike_is_as_deep_and_practises_as_much(
    federate: dict[str, Any], twin: Arm, matched: bool
) -> None:
    missing = without_twin([Arm("shared", "random", federate), twin], PRACTICE)
    assert missing.keys() == (set() if matched else {"shared"})


def test_adaptation_is_practice_too() -> None:
    both = Arm("both", "random", FEDAVG, {"method": "full_finetune", "epochs": 4})
    assert [without_twin([both, alone(epochs)], PRACTICE).keys() for epochs in (12, 16)] == [{"both"}, set()]


def test_a_reference_needs_no_twin() -> None:
    assert without_twin([Arm("pooled", "random", "pooled")], PRACTICE) == {}


def test_who_lacks_a_twin_hears_which() -> None:
    prox = {**FEDAVG, "method": "fedprox"}
    arms = [Arm("avg", "random", FEDAVG), Arm("prox", "random", prox), Arm("ridge", "pretrained", "ridge"), alone(3)]
    steps, solved = twin_lines(arms, PRACTICE)
    assert steps.startswith("avg, prox: no arm that stays alone starts alike and practises as much")
    assert steps.endswith('add one with the same start and adapt = { method = "full_finetune", epochs = 12 }')
    assert solved.startswith("ridge: no arm")
    assert solved.endswith('adapt = "local_ridge"')
    suggested = Arm("twin", "random", adapt={"method": "full_finetune", "epochs": 12})
    assert without_twin([*arms[:2], suggested], PRACTICE) == {}
