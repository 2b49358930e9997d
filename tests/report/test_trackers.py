"""Runs in trackers of experiments: the same numbers in each, and nothing without its extra."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.core.errors import MissingExtra, SettingError
from headstart.report.trackers import TRACKERS, Choice, chosen
from headstart.report.trackers.tracked import tracked
from tiny_study import read_records, run_tiny


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracked")
    run_tiny(folder)
    return folder / "out"


def test_a_run_is_told_whole(finished: Path) -> None:
    lines = {f"{line['arm']}-{line['seed']}": line for line in read_records(finished)}
    runs = {run.name: run for run in tracked(finished / "records.jsonl")}
    assert runs.keys() == lines.keys()
    for name, run in runs.items():
        assert run.settings["arm"] == lines[name]["arm"]
        assert run.test["test/client_accuracy"] == lines[name]["metrics"]["client_accuracy"]
        assert run.test["cost/upload_bytes"] == lines[name]["costs"]["upload_bytes"]
        losses = [value for _, key, value in run.curve if key == "curve/val_loss"]
        assert losses == [point["val_loss"] for point in lines[name]["curve"]]


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own imports warn.
def test_tensorboard_has_every_scalar(finished: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = tmp_path / "board"
    Choice("tensorboard", str(board)).log("tiny", finished / "records.jsonl")
    lines = read_records(finished)
    assert {path.name for path in board.iterdir()} == {f"{line['arm']}-{line['seed']}" for line in lines}

    def scalars(line: dict[str, Any], name: str) -> list[float]:
        events = accumulator.EventAccumulator(str(board / f"{line['arm']}-{line['seed']}")).Reload()
        return [event.value for event in events.Scalars(name)]

    curves = [pytest.approx([point["val_loss"] for point in line["curve"]]) for line in lines]
    assert [scalars(line, "curve/val_loss") for line in lines] == curves
    accuracies = [pytest.approx([line["metrics"]["client_balanced_accuracy"]]) for line in lines]
    assert [scalars(line, "test/client_balanced_accuracy") for line in lines] == accuracies


class Recorded:
    """Stands for a tracker's package: keeps what it is told, run by run."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.places: list[str] = []

    @contextmanager
    def start(self, **said: Any) -> Iterator[SimpleNamespace]:
        self.runs.append({"said": said, "steps": [], "values": {}})
        now = self.runs[-1]
        yield SimpleNamespace(log=lambda values, step: now["steps"].append((step, values)), summary=now["values"])


def test_mlflow_has_an_experiment_per_study_and_a_run_per_arm_and_seed(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Recorded()
    module = SimpleNamespace(
        set_tracking_uri=kept.places.append,
        set_experiment=kept.places.append,
        start_run=kept.start,
        log_params=lambda values: kept.runs[-1].update(params=values),
        log_metric=lambda name, value, step: kept.runs[-1]["steps"].append((step, {name: value})),
        log_metrics=lambda values: kept.runs[-1]["values"].update(values),
    )
    monkeypatch.setitem(sys.modules, "mlflow", module)
    (choice,) = chosen(["mlflow=sqlite:///runs.db"])
    choice.log("tiny", finished / "records.jsonl")
    assert kept.places == ["sqlite:///runs.db", "tiny"]
    check_runs(finished, kept, [run["said"]["run_name"] for run in kept.runs])
    assert {run["params"]["arm"] for run in kept.runs} == {line["arm"] for line in read_records(finished)}


def test_weights_and_biases_stays_offline(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Recorded()
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=kept.start))
    (choice,) = chosen([f"wandb={tmp_path / 'deep' / 'er'}"])
    choice.log("tiny", finished / "records.jsonl")
    assert {run["said"]["mode"] for run in kept.runs} == {"offline"}
    assert (tmp_path / "deep" / "er").is_dir()
    check_runs(finished, kept, [run["said"]["name"] for run in kept.runs])


def check_runs(finished: Path, kept: Recorded, names: list[str]) -> None:
    lines = read_records(finished)
    assert names == [f"{line['arm']}-{line['seed']}" for line in lines]
    for line, run in zip(lines, kept.runs, strict=True):
        assert run["values"]["test/client_accuracy"] == line["metrics"]["client_accuracy"]
        assert {step for step, _ in run["steps"]} == set(range(len(line["curve"])))


@pytest.mark.parametrize("name", TRACKERS)
def test_without_the_extra_one_line_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"'{name}' is not installed.*pip install 'headstart\[{name}\]'"):
        chosen([f"{name}=somewhere"])


@pytest.mark.parametrize(
    ("written", "complaint"), [("mlflow", "must be TRACKER=PLACE"), ("mlfow=x", "did you mean 'mlflow'"), ("=x", "''")]
)
def test_what_cannot_be_meant_is_refused(written: str, complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        chosen([written])
