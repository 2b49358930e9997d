from __future__ import annotations

import itertools

import numpy as np
import pytest

from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.models.spec import ModelSpec
from headstart.study.written.arms import Stage
from headstart.study.written.slate import STANDARD, slate_for, standard_slate

NAMES = [
    "zero-shot", "local", "pooled", "pooled-personal", "finetune-head", "finetune-lp-ft", "finetune-full",
    "local-ridge", "local-lda", "fedavg", "fedavg-pretrained", "fedadam-pretrained", "fedavg-finetune",
    "ridge", "ridge-personal", "ridge-fedadam",
]  # fmt: skip
FROM_SCRATCH = ["local", "pooled", "pooled-personal", "fedavg", "fedavg-finetune"]


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
    assert len(set(slate.ruled_out.values())) <= 2
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
    assert [arms[name].adapt.method for name in ("local-ridge", "local-lda")] == ["local_ridge", "local_lda"]


def test_without_one_the_pool_is() -> None:
    slate = standard_slate(checkpoint=False, central=True, same_classes=False)
    assert {arm.start.method for arm in slate.arms} == {"random", "pretrain"}
    assert list(slate.ruled_out) == ["zero-shot"]


def test_without_either_only_arms_from_scratch_run() -> None:
    slate = standard_slate(checkpoint=False, central=False, same_classes=False)
    assert [arm.name for arm in slate.arms] == FROM_SCRATCH
    assert {arm.start.method for arm in slate.arms} == {"random"}


def passes(stage: Stage) -> int:
    """How often a stage's gradient steps go over a client's data."""
    given = stage.settings
    each = ("rounds", "epochs", "head_epochs")
    assert given.get("local_epochs", 1) == 1
    return sum(given.get(name, 0) for name in each)


def test_all_arms_have_the_same_passes() -> None:
    """None has more practice than another; closed forms take no steps."""
    arms = standard_slate(checkpoint=True, central=True, same_classes=True).arms
    found = {arm.name: sum(passes(stage) for stage in (*arm.federate, arm.adapt)) for arm in arms}
    assert {count for count in found.values() if count} == {20}
    assert [name for name, count in found.items() if not count] == [
        "zero-shot", "local-ridge", "local-lda", "ridge", "ridge-personal",
    ]  # fmt: skip


def test_heads_on_bare_columns_need_no_trained_start() -> None:
    slate = standard_slate(checkpoint=False, central=False, same_classes=False, bare=True)
    assert [arm.name for arm in slate.arms if arm.name not in FROM_SCRATCH] == [
        "finetune-head", "local-ridge", "local-lda", "ridge", "ridge-personal", "ridge-fedadam",
    ]  # fmt: skip
    assert {arm.start.method for arm in slate.arms} == {"random"}
    assert len(set(slate.ruled_out.values())) == 1


def test_a_bare_network_of_a_federation_is_seen() -> None:
    ridge = [
        any(arm.name == "ridge" for arm in slate_for(ModelSpec(backbone=name), federation(None)).arms)
        for name in ("linear", "mlp")
    ]
    assert ridge == [True, False]


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
