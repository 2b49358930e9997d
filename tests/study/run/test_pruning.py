"""Trials that end early: which, when, and that a second run ends the same ones without work."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import Arm, Study, from_arrays
from headstart.core.files import read_json_lines
from headstart.core.progress import Silent
from headstart.study.run.pruning import FEWEST_CLIENTS, Pruned, Pruner


def test_a_trial_that_falls_behind_the_median_ends() -> None:
    pruner = Pruner()
    for score in (0.8, 0.6):
        pruner.begin().end([score] * 10)
    watch = pruner.begin()
    for _ in range(FEWEST_CLIENTS - 1):
        watch.see(0.5)
    with pytest.raises(Pruned, match="stopped after 4 clients, worse than the median of the trials before") as stop:
        watch.see(0.5)
    assert stop.value.values == (0.5,) * 4


def test_a_trial_above_the_median_goes_on_and_the_first_two_always_do() -> None:
    pruner = Pruner()
    for score in (0.5, 0.1, 0.4):
        watch = pruner.begin()
        for _ in range(10):
            watch.see(score)
        watch.end(watch.values)


def _study(arms: tuple[Arm, ...], trials: int) -> Study:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    inputs = rng.standard_normal((400, 4)) + labels[:, None]
    federation = from_arrays(inputs, labels, clients=np.arange(400) % 10)
    return Study(
        federation, arms, backbone="mlp", baseline="deep", seeds=(0,), trials=trials, metric="accuracy", trainable="all"
    )


DEEP = Arm("deep", start="random", adapt={"method": "full_finetune", "epochs": 4, "client_lr": 0.3})


def _tuning(folder: Path) -> list[dict[str, Any]]:
    (record,) = read_json_lines(folder / "records.jsonl")
    return list(record["tuning"])


def test_a_study_ends_bad_trials_early_and_a_second_run_ends_the_same(tmp_path: Path) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def finish(self, text: str) -> None:
            self.lines.append(text)

    told = Told()
    _study((DEEP,), 8).run(tmp_path / "first", progress=told)
    ended = [line for line in told.lines if "stopped after" in line]
    assert 0 < len(ended) < 6
    scores = [trial["score"] for trial in _tuning(tmp_path / "first")]
    assert scores.count(None) == len(ended)
    chosen = next(trial for trial in _tuning(tmp_path / "first") if trial["chosen"])
    assert chosen["score"] == max(score for score in scores if score is not None)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "first" / "nodes").iterdir()}
    (tmp_path / "first" / "records.jsonl").unlink()
    _study((DEEP,), 8).run(tmp_path / "first")
    assert [t["score"] for t in _tuning(tmp_path / "first")] == scores
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "first" / "nodes").iterdir()}
    assert {path: time for path, time in after.items() if path in before} == before
