from __future__ import annotations

import itertools

import numpy as np
import pytest

from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.models.spec import ModelSpec
from headstart.study.written.slate import STANDARD, slate_for, standard_slate

NAMES = [
    "zero-shot", "local", "pooled", "finetune-head", "finetune-lp-ft", "finetune-full", "fedavg",
    "fedavg-pretrained", "fedadam-pretrained", "fedavg-finetune", "ridge", "ridge-personal", "ridge-fedadam",
]  # fmt: skip


def examples(classes: tuple[str, ...], labels: list[int]) -> Examples:
    inputs = np.zeros((len(labels), 2), np.float32)
    return Examples("table", inputs, np.array(labels), [str(i) for i in range(len(labels))], classes, ("a", "b"))


def federation(central: Examples | None) -> Federation:
    own = examples(("cat", "dog"), [0, 1, 0])
    return Federation(own, [Client("c", np.array([0]), np.array([1]), np.array([2]))], central)


def test_the_names_that_others_rely_on() -> None:
    slate = standard_slate(checkpoint=True, central=True, same_classes=True)
    assert [arm.name for arm in slate.arms] == NAMES == list(STANDARD)
    assert slate.ruled_out == {}


@pytest.mark.parametrize(("checkpoint", "central", "same"), list(itertools.product([True, False], repeat=3)))
def test_every_arm_runs_or_has_a_reason(checkpoint: bool, central: bool, same: bool) -> None:
    slate = standard_slate(checkpoint=checkpoint, central=central, same_classes=same)
    runs = {arm.name for arm in slate.arms}
    assert runs | set(slate.ruled_out) == set(NAMES)
    assert runs & set(slate.ruled_out) == set()
    assert all("needs" in reason for reason in slate.ruled_out.values())
    assert {"local", "pooled", "fedavg"} <= runs
    for arm in slate.arms:
        arm.check()


def test_a_checkpoint_is_the_start() -> None:
    arms = {arm.name: arm for arm in standard_slate(checkpoint=True, central=True, same_classes=True).arms}
    assert {arm.start.method for name, arm in arms.items() if name not in ("local", "fedavg")} == {"pretrained"}
    assert {arms["local"].start.method, arms["fedavg"].start.method} == {"random"}
    assert [stage.method for stage in arms["ridge-fedadam"].federate] == ["ridge", "fedadam"]
    assert arms["ridge-personal"].adapt.method == "personal_ridge"


def test_without_one_the_pool_is() -> None:
    slate = standard_slate(checkpoint=False, central=True, same_classes=False)
    assert {arm.start.method for arm in slate.arms} == {"random", "pretrain"}
    assert list(slate.ruled_out) == ["zero-shot"]


def test_without_either_only_arms_from_scratch_run() -> None:
    slate = standard_slate(checkpoint=False, central=False, same_classes=False)
    assert [arm.name for arm in slate.arms] == ["local", "pooled", "fedavg", "fedavg-finetune"]
    assert {arm.start.method for arm in slate.arms} == {"random"}


def test_fine_tuning_after_fedavg_shares_its_prefix() -> None:
    arms = {arm.name: arm for arm in standard_slate(checkpoint=True, central=False, same_classes=False).arms}
    both, kept = arms["fedavg-finetune"], arms["fedavg-pretrained"]
    assert (both.start, both.federate) == (kept.start, kept.federate)
    assert both.adapt != kept.adapt


@pytest.mark.parametrize(
    ("central", "ruled_out"),
    [
        (None, {"zero-shot"}),
        (examples(("cat", "dog"), [0, 1]), set()),
        (examples(("cat", "dog"), [-1, -1]), {"zero-shot"}),
        (examples(("bird", "frog"), [0, 1]), {"zero-shot"}),
    ],
)
def test_what_a_federation_allows(central: Examples | None, ruled_out: set[str]) -> None:
    slate = slate_for(ModelSpec(backbone="microsoft/resnet-18"), federation(central))
    assert set(slate.ruled_out) == ruled_out
