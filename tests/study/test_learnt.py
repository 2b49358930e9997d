"""Studies that went well give no alarm; each one made to fail is found, and nothing is compared with what failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from headstart import Arm, Federation, Study
from headstart.core.errors import ClientError, DataError
from headstart.evidence.verdict import Verdict
from study.made import images, pool_of_noise, scaled, table, unscaled, without_numbers

Make = Callable[[], Federation]


def steps(method: str = "fedavg", **settings: Any) -> dict[str, Any]:
    """A federated stage that takes steps, ten rounds of them unless told otherwise."""
    return {"method": method, "rounds": 10, "client_lr": 0.1, "batch_size": 8, **settings}


def own(method: str = "full_finetune", **settings: Any) -> dict[str, Any]:
    """An adaptation that takes steps."""
    return {"method": method, "epochs": 10, "client_lr": 0.1, "batch_size": 8, **settings}


LOCAL = Arm("local", "random", (), own())
FEDAVG = Arm("fedavg", "random", steps())
TUNED = Arm("tuned", "random", steps(), own())
RIDGE = Arm("ridge", "random", "ridge")
POOLED = Arm("pooled", "random", {"method": "pooled", "epochs": 20, "client_lr": 0.1, "batch_size": 8})
PRETRAIN = {"method": "pretrain", "epochs": 15, "client_lr": 0.05, "batch_size": 8}
CNN = {"backbone": "small-cnn"}

WELL: dict[str, tuple[Make, list[Arm], Mapping[str, Any]]] = {
    "two classes": (table, [FEDAVG, LOCAL, RIDGE, POOLED, TUNED], {}),
    "three classes": (lambda: table(classes=3), [FEDAVG, LOCAL, RIDGE, POOLED], {}),
    "ten classes": (lambda: table(classes=10, apart=4, rows=120), [FEDAVG, RIDGE, POOLED], {}),
    "a rare class": (lambda: table(shares=[0.85, 0.15], rows=100, apart=3), [FEDAVG, LOCAL, RIDGE, POOLED], {}),
    "a rare class, weighted": (
        lambda: table(shares=[0.9, 0.1], rows=100, apart=3),
        [Arm("fedavg", "random", steps(balance="loss")), POOLED],
        {"metric": "balanced_accuracy"},
    ),
    "skewed labels": (lambda: table(classes=3, skewed=0.6), [FEDAVG, LOCAL, RIDGE, POOLED, TUNED], {}),
    "clients of mostly one class": (lambda: table(skewed=0.9, rows=80), [FEDAVG, RIDGE, TUNED], {}),
    "many clients with few rows": (lambda: table(clients=40, rows=10), [FEDAVG, RIDGE, POOLED], {}),
    "two clients with many rows": (lambda: table(clients=2, rows=300), [FEDAVG, LOCAL, RIDGE, POOLED], {}),
    "a hidden layer": (table, [FEDAVG, LOCAL, RIDGE, POOLED], {"backbone": "mlp"}),
    "images": (images, [Arm("fedavg", "random", steps(rounds=30)), LOCAL, RIDGE], CNN),
    "images with a pool": (
        lambda: images(pool=120),
        [
            Arm("fedavg", PRETRAIN, steps(client_lr=0.02, rounds=4)),
            Arm("lp-ft", PRETRAIN, (), {"method": "lp_ft", "client_lr": 0.05, "batch_size": 8}),
            Arm("head", PRETRAIN, (), own("linear_probe", client_lr=0.02)),
            Arm("ridge", PRETRAIN, "ridge", "personal_ridge"),
            Arm("zero-shot", PRETRAIN),
        ],
        CNN,
    ),
    "held-out clients": (lambda: table(held_out_clients=0.3), [FEDAVG, LOCAL, TUNED], {}),
    "a weak signal": (lambda: table(apart=1.0, rows=150), [FEDAVG, RIDGE, POOLED], {}),
    "noisy labels": (lambda: table(noise=0.3, rows=100), [FEDAVG, LOCAL, RIDGE, POOLED], {}),
    "closed forms": (
        lambda: table(classes=3),
        [Arm("fedavg", "random", "lda"), RIDGE, Arm("ncm", "random", "ncm"), Arm("knn", "random", "ridge", "knn")],
        {},
    ),
    "servers that take steps": (
        table,
        [FEDAVG, Arm("fedadam", "random", steps("fedadam", server_lr=0.05)), Arm("prox", "random", steps("fedprox"))],
        {},
    ),
    "tuned": (table, [FEDAVG, RIDGE], {"trials": 2}),
    "clients far apart": (lambda: table(shift=1.5, rows=90), [FEDAVG, LOCAL, TUNED], {}),
    "a few rounds on top of a closed form": (
        table,
        [FEDAVG, Arm("both", "random", ["ridge", steps("fedadam", rounds=3, server_lr=0.02)])],
        {},
    ),
}


def judged(folder: Path, federation: Federation, arms: list[Arm], **settings: Any) -> Verdict:
    """Run a study of arms; the first is the baseline."""
    settings = {"backbone": "linear", "seeds": [0, 1], "baseline": arms[0].name, **settings}
    return Study(federation, arms, **{"trials": 1, **settings}).run(folder).verdict


@pytest.mark.parametrize("name", WELL)
def test_a_study_that_went_well_gives_no_alarm(name: str, tmp_path: Path) -> None:
    make, arms, settings = WELL[name]
    verdict = judged(tmp_path, make(), arms, **settings)
    assert (verdict.failed, verdict.warnings) == ({}, {})
    assert verdict.effect is not None


def arm(federate: Any = (), adapt: Any = "keep", start: Any = "random") -> Arm:
    return Arm("bad", start, federate, adapt)


def hard(**changes: Any) -> Federation:
    """Classes that overlap: where they do not, any step size finds a line between them."""
    return table(**{"apart": 1.0, "noise": 0.2, **changes})


def pooled() -> Federation:
    return images(pool=120)


BAD: dict[str, tuple[Make, Arm, Mapping[str, Any], str, str]] = {
    "steps too large": (hard, arm(steps(client_lr=1e3)), {}, "failed", "diverged"),
    "steps too small": (table, arm(steps(client_lr=1e-9)), {}, "failed", "moved nothing.* too small a step size"),
    "alone, too large": (hard, arm((), own(client_lr=1e3)), {}, "warnings", "training loss did not fall"),
    "alone, too large, kept by all": (hard, arm((), own(client_lr=1e3, accept=False)), {}, "failed", "diverged"),
    "alone, too small": (table, arm((), own(client_lr=1e-9)), {}, "failed", "moved nothing"),
    "a server's steps too large": (hard, arm(steps("fedadam", server_lr=1e3)), {}, "failed", "diverged"),
    "labels by chance": (lambda: table(noise=1.0), arm(steps()), {}, "warnings", "above the majority class"),
    "clients of one class each": (
        lambda: table(classes=3, skewed=1.0, apart=0.5),
        arm(steps(client_lr=10.0, local_epochs=5, rounds=1)),
        {},
        "warnings",
        "training loss did not fall",
    ),
    "some clients left out": (
        lambda: without_numbers(table(), 2),
        arm(steps()),
        {},
        "warnings",
        "2 of 6 clients were left",
    ),
    "unscaled, a hidden layer": (
        lambda: unscaled(table()),
        arm(steps()),
        {"backbone": "mlp"},
        "failed",
        "likeliest cause: unscaled inputs.*standardize",
    ),
    "unscaled, linear": (
        lambda: unscaled(table(apart=3)),
        arm(steps()),
        {},
        "failed",
        "likeliest cause: unscaled inputs.*standardize",
    ),
    "weights that decay at once": (hard, arm(steps(weight_decay=30.0)), {}, "failed", "diverged"),
    "hardly a step": (
        table,
        arm(steps(rounds=1, local_steps=1, client_lr=1e-4)),
        {},
        "failed",
        "moved nothing",
    ),
    "nobody answers": (table, arm(steps(rounds=1, client_dropout=0.999)), {}, "failed", "received none in 1 rounds"),
    "a start that diverges": (
        pooled,
        arm((), "keep", {**PRETRAIN, "client_lr": 1e3}),
        CNN,
        "failed",
        "start cannot.*diverged",
    ),
    "a start that is killed": (
        lambda: pool_of_noise(classes=4, each=60),
        arm((), "keep", {**PRETRAIN, "client_lr": 0.5}),
        CNN,
        "failed",
        "start cannot.*stuck.*smaller client_lr",
    ),
    "a start that is too slow": (
        pooled,
        arm((), "keep", {**PRETRAIN, "client_lr": 1e-9}),
        CNN,
        "failed",
        "start cannot.*too slow.*larger client_lr",
    ),
    "a pool of few examples": (
        pool_of_noise,
        arm((), "keep", {**PRETRAIN, "epochs": 10, "client_lr": 0.1}),
        CNN,
        "failed",
        "start cannot.*361 examples for training were too few for 106 classes",
    ),
    "kept by nobody": (table, arm(steps(), own(client_lr=1e-12)), {}, "warnings", "kept by 0 of 6"),
    "adapted to death": (hard, arm(steps(), own(client_lr=1e3, accept=False)), {}, "failed", "diverged"),
    "a reference that learnt too little": (
        lambda: table(classes=10, apart=4, rows=120),
        arm({"method": "pooled", "epochs": 1, "client_lr": 0.02, "batch_size": 100}),
        {},
        "warnings",
        "reference is below good",
    ),
    "too few rounds": (
        lambda: table(classes=10, apart=4, rows=120),
        arm(steps(rounds=1, client_lr=1e-3)),
        {},
        "warnings",
        "far below the diagnosis",
    ),
    "images, steps too large": (images, arm(steps(client_lr=1e3)), CNN, "failed", "."),
}


@pytest.fixture(scope="module", params=BAD)
def bad(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Verdict, str, str]:
    """The verdict on an arm made to fail beside one that nothing can spoil, where it says so, and how."""
    make, arm, settings, where, words = BAD[request.param]
    good = Arm("good", "random", "ridge" if re.search("start|unscaled", request.param) else steps(client_lr=0.05))
    verdict = judged(tmp_path_factory.mktemp("bad"), make(), [arm, good], seeds=[0], **settings)
    return verdict, where, words


def test_of_features_that_are_dead_nothing_is_learnt(tmp_path: Path) -> None:
    arms = [Arm("head", "random", steps(trainable="head")), LOCAL]
    verdict = judged(tmp_path, scaled(table(shares=[0.6, 0.4]), 1e-9), arms, backbone="mlp")
    assert verdict.recommended is None
    assert re.match("training failed: its predictions are constant.*cause: unscaled inputs", verdict.failed["head"])
    assert "No arm may be recommended; fine-tuning alone (local: training failed: " in verdict.sentence


@pytest.mark.parametrize("clients", [4, 5])
def test_a_study_in_which_most_clients_fail_says_why(clients: int, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=f"{clients} of 6 clients failed.*'0': .*not finite"):
        judged(tmp_path, without_numbers(table(), clients), [FEDAVG])


def test_a_federation_without_numbers_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the \d+ training examples has numbers in all its inputs"):
        judged(tmp_path, without_numbers(table(), 6), [FEDAVG])
    assert not list(tmp_path.iterdir())


def test_an_arm_made_to_fail_is_found(bad: tuple[Verdict, str, str]) -> None:
    verdict, where, words = bad
    said = {"failed": [verdict.failed.get("bad", "")], "warnings": verdict.warnings.get("bad", [])}
    assert re.search(words, "\n".join(said[where])), (verdict.failed, verdict.warnings)
    assert "good" not in verdict.failed


def test_nothing_is_compared_with_an_arm_that_failed(bad: tuple[Verdict, str, str]) -> None:
    verdict, where, _ = bad
    compared = "bad" not in verdict.failed
    assert compared == (where == "warnings")
    assert (verdict.effect is not None) == compared
    assert compared or verdict.recommended == "good"
    assert compared or re.search("no comparison.*failed|no result of the baseline", " ".join(verdict.cautions))
    if verdict.answer.absent:
        assert verdict.answer.family is None
        assert re.search(r"No claim: (fine-tuning alone|federating|doing both) \(bad: ", verdict.sentence)
