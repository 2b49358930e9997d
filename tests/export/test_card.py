"""The model card: what Hugging Face reads of it, and what people do."""

from pathlib import Path
from typing import Any

import pytest

from headstart.export.card import card
from headstart.export.leaving import check_leaves, take_out
from headstart.export.loading import Loading
from headstart.export.measured import Measured, measured
from headstart.export.opened import open_run, read_study
from headstart.report.run import Run, load_run
from tiny_study import write_study

yaml: Any = pytest.importorskip("yaml")

LOADING = Loading(snippet="print(1)", needs=("torch",), words="It is small.", library="pytorch")
SECTIONS = (
    *("How to load it", "What it predicts", "What the study found", "What was measured of this model", "Data"),
    *("How it was trained", "Privacy", "Limits", "Licence", "Versions"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from headstart.study.study import Study

    folder = tmp_path_factory.mktemp("card")
    Study.load(write_study(folder, seeds=(0,))).run(folder / "run")
    return folder / "run"


def _card(run: Path, arm: str, client: str | None = None) -> tuple[str, Run, Measured]:
    opened = open_run(run, arm, None, read_study(run, run.parent / "study.toml"), check=check_leaves)
    leaving, said = take_out(opened, client), load_run(run)
    found = measured(leaving, said)
    return card(leaving, said, LOADING, found), said, found


def test_its_front_is_yaml_with_what_was_measured_of_this_very_model(run: Path) -> None:
    text, _, found = _card(run, "fedavg")
    front = yaml.safe_load(text.split("---")[1])
    assert (front["license"], front["library_name"], front["pipeline_tag"]) == (
        *("unknown", "pytorch"),
        "tabular-classification",
    )
    assert front["tags"] == ["headstart", "federated-learning", "classification"]
    metrics = {one["type"]: one["value"] for one in front["model-index"][0]["results"][0]["metrics"]}
    assert metrics == pytest.approx(dict(found.values), abs=1e-4)


def test_every_section_is_there_once_with_the_arms_and_the_clients(run: Path) -> None:
    text, said, _ = _card(run, "fedavg")
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert "```python\nprint(1)\n```" in text
    assert all(f"| {arm} |" in text for arm in said.arms)
    assert "| site-3 |" in text
    assert "rounds = 3" in text


def test_a_clients_own_model_says_so_and_what_that_client_was_measured_to_have(run: Path) -> None:
    text, said, found = _card(run, "fedavg-finetune", "site-1")
    rows = zip(*(said.clients[name] for name in ("arm", "client", "split", "metric", "value")), strict=True)
    right = {row[3]: row[4] for row in rows if row[:3] == ("fedavg-finetune", "site-1", "test")}
    assert right.pop("num_examples") > 0
    assert found.values == pytest.approx(right)
    assert "the model of the client site-1" in text


def test_of_a_model_that_clients_go_on_to_adapt_no_number_is_said(run: Path) -> None:
    text, _, found = _card(run, "fedavg-finetune")
    assert not found.values
    assert "model-index" not in text
    assert "Nothing was measured of this very model on test examples." in text
