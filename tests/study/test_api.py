"""The same in Python: an arm alone, a study to its verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headstart
from headstart import Arm, Federation, Study, from_arrays, run
from headstart.core.errors import SettingError
from tiny_study import read_records

FEDAVG = {"method": "fedavg", "rounds": 2, "client_lr": 0.2}


@pytest.fixture(scope="module")
def federation() -> Federation:
    labels = np.random.default_rng(0).integers(0, 2, 120)
    inputs = np.random.default_rng(1).standard_normal((120, 4)) + 3 * labels[:, None]
    return from_arrays(inputs, labels, clients=np.arange(120) % 3)


@pytest.mark.parametrize("name", headstart.__all__)
def test_every_public_name_is_there_and_told(name: str) -> None:
    assert getattr(headstart, name).__doc__ if name != "__version__" else headstart.__version__


def test_the_public_face_is_these_names() -> None:
    classes = ["Arm", "Client", "Federation", "HeadstartError", "Outcome", "Result", "Study", "Verdict"]
    assert headstart.__all__ == [*classes, "__version__", "from_arrays", "open_federation", "run"]
    assert set(headstart.__all__) <= set(dir(headstart))
    with pytest.raises(AttributeError, match="has no attribute 'run_studies'"):
        headstart.run_studies  # noqa: B018


def test_one_arm_gives_scores_weights_and_a_curve(federation: Federation) -> None:
    result = run(Arm("fedavg", start="random", federate=FEDAVG), federation, backbone="linear")
    assert sorted(result.clients) == ["0", "1", "2"]
    assert result.metrics["accuracy"] == pytest.approx(np.mean([c["accuracy"] for c in result.clients.values()]))
    assert [point["round"] for point in result.curve] == [0, 1, 2]
    assert set(result.weights) == {name for name, _ in result.network.named_parameters()}


@pytest.mark.parametrize(("client_lr", "kinds"), [(0.2, []), (1e-9, ["too slow"])])
def test_one_arm_says_whether_it_learnt(client_lr: float, kinds: list[str], federation: Federation) -> None:
    result = run(
        Arm("fedavg", start="random", federate={**FEDAVG, "client_lr": client_lr}), federation, backbone="linear"
    )
    assert [finding.kind for finding in result.findings if finding.failed] == kinds


def test_an_arm_alone_is_the_studys_run(federation: Federation, tmp_path: Path) -> None:
    arm = Arm("fedavg", start="random", federate=FEDAVG)
    outcome = Study(federation, [arm], backbone="linear", seeds=[3], trials=1).run(tmp_path)
    alone = run(arm, federation, backbone="linear", seed=3, metric="balanced_accuracy")
    (line,) = read_records(tmp_path)
    assert line["metrics"]["client_accuracy"] == pytest.approx(alone.metrics["accuracy"])
    assert outcome.verdict.recommended == "fedavg"
    assert set(outcome.slate.costs) == {"fedavg"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"backbone": "linear", "metric": "acuracy"},
            r"^decision\.metric: must be a metric that comes along, or a function .*mean 'accuracy'",
        ),
        ({"seed": -1}, r"^seeds\[0\]: must be greater than or equal to 0, received -1"),
        ({"backbone": "./none"}, r"^model\.backbone: must be an existing file"),
    ],
)
def test_a_bad_setting_of_one_run_is_one_line(
    federation: Federation, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        run(Arm("fedavg", start="random", federate=FEDAVG), federation, **settings)  # type: ignore[arg-type]


def test_the_page_is_written_before_the_first_run_and_with_the_verdict(federation: Federation, tmp_path: Path) -> None:
    seen = []

    def page(out: Path) -> None:
        seen.append((out, (out / "verdict.json").exists(), (out / "devices.json").exists()))

    study = Study(federation, [Arm("fedavg", start="random", federate=FEDAVG)], backbone="linear", seeds=[0])
    study.run(str(tmp_path / "out"), page=page)
    assert seen == [(tmp_path / "out", False, False), (tmp_path / "out", True, True)]
