"""Studies from the field, in the folder HEADSTART_CASES: what can be learnt is learnt, and nothing else is claimed."""

import html
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import Arm, Federation, Study, open_federation, run
from headstart.data import DataSettings, SplitSettings
from headstart.report import write_report
from headstart.study.written.load import load_study

RIDGE = Arm("ridge", "random", "ridge")
FEDAVG = Arm("fedavg", "random", {"method": "fedavg", "rounds": 10, "client_lr": 0.1})


@pytest.mark.parametrize("name", ["L", "RGBA", "P", "CMYK", "mix"])
def test_digits_are_learnt_however_they_are_drawn(name: str, cases: Path) -> None:
    federation = open_federation(DataSettings(source=f"case-11/{name}.parquet", client="client"), cases)
    own = Arm("ridge", "random", {"method": "ridge"})
    assert run(own, federation, backbone="linear").metrics["accuracy"] > 0.9


def of_windows(cases: Path, **split: Any) -> tuple[float, float]:
    """Return the mean accuracy of nearest neighbours over draws of the split and clients, and the error of it."""
    knn, found = Arm("knn", "random", adapt="knn"), []
    for seed in range(4):
        settings = DataSettings(
            source="case-17/w.parquet",
            client="speaker",
            standardize="client",
            seed=seed,
            split=SplitSettings(**split),
        )
        result = run(knn, open_federation(settings, cases), backbone="linear")
        found += [client["accuracy"] for client in result.clients.values()]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))


def test_recordings_known_from_training_are_no_evidence(cases: Path) -> None:
    mean, error = of_windows(cases, group="recording")
    assert abs(mean - 0.25) < 2 * error  # labels are drawn by chance for each recording
    parted, error = of_windows(cases)
    assert parted > 0.25 + 3 * error


FAR = ("f0", "f1", "f2", "f3", "f4", "f5")


def clinics(cases: Path, **settings: Any) -> Federation:
    return open_federation(
        DataSettings(source="case-26/in.csv", label="bool", client="clinic", columns=FAR, **settings), cases
    )


@pytest.mark.parametrize("standardize", ["auto", "client", "pooled"])
@pytest.mark.parametrize("arm", [RIDGE, FEDAVG], ids=lambda arm: arm.name)
def test_columns_far_apart_are_learnt_from(arm: Arm, standardize: str, cases: Path) -> None:
    result = run(arm, clinics(cases, standardize=standardize), backbone="mlp", metric="balanced_accuracy")
    assert result.metrics["balanced_accuracy"] > 0.85
    assert [finding for finding in result.findings if finding.failed] == []


def test_what_failed_is_no_evidence(cases: Path, tmp_path: Path) -> None:
    arms = [
        Arm("local", "random", adapt={"method": "full_finetune", "epochs": 20, "client_lr": 1e6, "accept": False}),
        Arm("fedavg", "random", {"method": "fedavg", "rounds": 5, "client_lr": 1e6, "local_epochs": 5}),
        Arm("ok", "random", "ridge"),
    ]
    federation = clinics(cases, standardize="none")
    outcome = Study(federation, arms, backbone="mlp", seeds=[0], baseline="local").run(tmp_path)
    scores = outcome.verdict.arms
    assert {name for name, score in scores.items() if score.status == "failed"} >= {"local", "fedavg"}
    assert [name for name, score in scores.items() if score.effect is not None] == []
    assert outcome.verdict.recommended in ("ok", None)
    assert outcome.verdict.interval is None


def test_a_hospitals_table_as_a_user_brings_it(cases: Path) -> None:
    file = load_study(cases / "case-30" / "s3.toml")
    federation = open_federation(file.data, file.folder)
    metrics = [run(arm, federation, backbone="linear").metrics["balanced_accuracy"] for arm in (RIDGE, FEDAVG)]
    assert max(metrics) > 0.9


def test_clients_of_any_name_are_reported_in_the_folder_alone(cases: Path, tmp_path: Path) -> None:
    file = load_study(cases / "case-27" / "s.toml")
    federation = open_federation(file.data, file.folder)
    Study(federation, file.arms, backbone="linear", seeds=[0], baseline="fedavg").run(tmp_path / "o")
    write_report(tmp_path / "o")
    names = html.unescape((tmp_path / "o" / "report.html").read_text())
    assert [client.id for client in federation.clients if f">{client.id}</th>" not in names] == []
    assert [path.name for path in tmp_path.iterdir()] == ["o"]
