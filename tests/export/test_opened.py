"""A run folder, opened: who asks for what is not there hears it in one line."""

import json
from pathlib import Path

import pytest

from headstart.core.damage import Damaged
from headstart.core.errors import DataError, SettingError
from headstart.export.leaving import check_leaves
from headstart.export.opened import open_run, read_study, recommended_arm
from headstart.study.study import Study
from tiny_study import FEDAVG, write_study, write_table


@pytest.fixture
def run(tmp_path: Path) -> Path:
    Study.load(write_study(tmp_path, seeds=(0,), arms={"fedavg": FEDAVG})).run(tmp_path / "run")
    return tmp_path / "run"


def test_nothing_is_trained_in_the_place_of_what_is_missing(run: Path) -> None:
    file = read_study(run, run.parent / "study.toml")
    line = json.loads((run / "records.jsonl").read_text())
    weights = json.loads((run / "nodes" / f"{line['nodes'][1]}.json").read_text())["weights"]
    (run / "weights" / f"{weights}.safetensors").unlink()
    with pytest.raises(Damaged, match="it is missing"):
        open_run(run, "fedavg", None, file, check=check_leaves)


def test_a_folder_that_is_none_and_a_copy_whose_data_lie_elsewhere(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for read in (read_study, recommended_arm):
        with pytest.raises(DataError, match=r"nowhere' is not there \(looked for /"):
            read(tmp_path / "nowhere")
        with pytest.raises(DataError, match=r"is no run folder: it has no study\.toml"):
            read(tmp_path / "empty")
    assert read_study(run).folder.samefile(tmp_path)
    (tmp_path / "else").mkdir()
    moved = run.rename(tmp_path / "else" / "run")
    with pytest.raises(SettingError, match=r"received 'clients\.csv'.*; if the study file lies elsewhere.*--study"):
        read_study(moved)


def test_without_a_recommendation_an_arm_must_be_named(run: Path) -> None:
    assert recommended_arm(run) == "fedavg"
    (run / "verdict.json").unlink()
    with pytest.raises(SettingError, match=r"arm: must be named where the verdict recommends none.*valid: fedavg"):
        recommended_arm(run)


def test_an_arm_that_has_not_finished_is_no_arm(run: Path) -> None:
    (run / "records.jsonl").unlink()
    with pytest.raises(SettingError, match=r"must be a finished arm of .* none has finished: run the study again"):
        open_run(run, "fedavg", None, read_study(run, run.parent / "study.toml"), check=check_leaves)


def test_a_run_folder_names_no_function_that_runs_here(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(run / "clients.csv")
    file, canary = run / "study.toml", run.parent / "canary"
    (run / "evil.py").write_text(f"open({str(canary)!r}, 'w')\ndef score(truth, said): return 1.0\n")
    own = '[decision]\nmetric = "evil:score"\nmin_effect = 0.1\n'
    file.write_text(file.read_text().replace("[decision]\n", own))
    monkeypatch.chdir(run)
    with pytest.raises(SettingError, match=r"decision\.metric: a function runs for .* 'evil:score'.*with --study"):
        read_study(run)
    assert not canary.exists()
