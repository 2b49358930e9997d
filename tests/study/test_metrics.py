"""Studies that a metric other than a share of right examples decides, from file to page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.metrics import roc_auc_score

import headstart
from headstart.core.errors import MetricError
from headstart.data.federation import Federation
from headstart.report import write_report
from headstart.study.study import Study
from headstart.study.written.arms import Arm

FEDAVG = {"method": "fedavg", "rounds": 2, "client_lr": 0.1}
ARMS = [
    Arm("alone", start="random", adapt={"method": "full_finetune", "epochs": 2, "client_lr": 0.1}),
    Arm("fedavg", start="random", federate=FEDAVG),
]


def federation() -> Federation:
    """Four clients; the last has one class only."""
    generator = np.random.default_rng(0)
    clients = np.repeat(np.arange(4), 60)
    labels = np.where(clients == 3, 1, generator.integers(0, 2, 240))
    inputs = generator.standard_normal((240, 4)) + 0.8 * labels[:, None]
    return headstart.from_arrays(inputs, labels, clients=clients)


def decide_by(metric: str, out: Path, **settings: Any) -> dict[str, Any]:
    study = Study(
        federation(), ARMS, backbone="linear", seeds=(0, 1, 2), trials=1, metric=metric, until="all", **settings
    )
    study.run(out)
    verdict: dict[str, Any] = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    return verdict


@pytest.fixture(scope="module")
def by_auroc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("auroc")
    decide_by("auroc", out)
    return out


def test_a_study_is_decided_by_auroc_for_these_clients(by_auroc: Path) -> None:
    found = json.loads((by_auroc / "verdict.json").read_text(encoding="utf-8"))
    assert (found["metric"], found["unit"], found["scope"]) == ("auroc", "points", "these")
    assert found["grounds"] != "no claim"
    assert all(np.isfinite([one["low"], one["high"]]).all() for one in found["contrasts"] if one["scope"] == "these")


def test_clients_scores_are_scikit_learns(by_auroc: Path) -> None:
    labels = federation().examples.labels
    kept = parquet.read_table(by_auroc / "predictions.parquet").to_pandas()
    told = parquet.read_table(by_auroc / "clients.parquet").to_pandas()
    told = told[(told.metric == "auroc") & (told.split == "test")].set_index(["arm", "seed", "client"]).value
    for key, rows in kept.groupby(["arm", "seed", "client"], observed=True):
        own = labels[rows.row]
        expected = roc_auc_score(own, rows.probability) if len(set(own)) > 1 else np.nan
        assert told[key] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_a_client_of_one_class_is_named_and_left_out(by_auroc: Path) -> None:
    found = json.loads((by_auroc / "verdict.json").read_text(encoding="utf-8"))
    assert found["undefined"] == {"3": "one class only"}
    assert "AUROC: not defined at 1 of 4 clients with one class only (3): left out of its means." in found["cautions"]
    assert found["num_clients"] == 3
    write_report(by_auroc)
    page = (by_auroc / "report.html").read_text(encoding="utf-8")
    assert "<small>one class only</small>" in page
    assert 'id="classes"' in page


def test_a_metric_of_ones_own_decides_by_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "def cost(truth, predictions):\n    return 10.0 * (predictions.argmax(1) != truth).mean()\n\n"
    text = body + "cost.lower_is_better = True\ncost.unit = 'EUR'\n"
    (tmp_path / "ward_cost.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = decide_by("ward_cost:cost", tmp_path / "out", min_effect=0.5)
    assert (found["unit"], found["lower_is_better"], found["scope"]) == ("EUR", True, "like these")
    arms = found["arms"]
    assert arms["fedavg"]["mean"] == pytest.approx(10 * (1 - _accuracy(tmp_path / "out", "fedavg")))
    (tmp_path / "ward_cost.py").unlink()
    write_report(tmp_path / "out")
    assert "EUR" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_where_one_arms_metric_is_not_defined_the_client_is_left_out_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As precision of the other class, where nearly all examples are taken for one.
    body = (
        "def share(truth, said):\n    ones = said.argmax(1).mean()\n    return float('nan') if ones > LIMIT else 0.5\n"
    )
    (tmp_path / "ward_all.py").write_text(body.replace("LIMIT", "2"))
    monkeypatch.chdir(tmp_path)
    assert decide_by("ward_all:share", tmp_path / "all", min_effect=0.1)["undefined"] == {}
    told = parquet.read_table(tmp_path / "all" / "predictions.parquet").to_pandas()
    shares = told[told["view"] == "test"].groupby(["client", "arm"])["predicted"].mean()
    assert shares["3"].min() < shares["3"].max()
    (tmp_path / "ward_one.py").write_text(body.replace("LIMIT", str(shares["3"].mean())))
    found = decide_by("ward_one:share", tmp_path / "one", min_effect=0.1)
    assert list(found["undefined"]) == ["3"]
    assert {arm["status"] for arm in found["arms"].values()} == {"candidate"}
    assert any("not defined at 1 of 4 clients" in words and "(3)" in words for words in found["cautions"])


def _accuracy(out: Path, arm: str) -> float:
    told = parquet.read_table(out / "clients.parquet").to_pandas()
    own = told[(told.metric == "accuracy") & (told.split == "test") & (told.arm == arm)]
    return float(own.groupby("seed").value.mean().mean())


def test_a_metric_of_ones_own_that_fails_stops_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ward_bad.py").write_text("def bad(truth, said):\n    raise ValueError('two\\nlines')\n")
    monkeypatch.chdir(tmp_path)
    arms = [Arm("ridge", start="random", federate="ridge"), Arm("ncm", start="random", federate="ncm")]
    decision = {"metric": "ward_bad:bad", "min_effect": 0.1, "baseline": "ncm"}
    study = Study(federation(), arms, backbone="linear", seeds=(0,), trials=1, **decision)
    with pytest.raises(MetricError, match=r"'ward_bad:bad' must return a number .* ValueError: two lines for truth"):
        study.run(tmp_path / "out")
