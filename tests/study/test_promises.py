"""What noise promises, from the plan to the page: the same number everywhere, and none where there is no noise."""

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.report import load_run, to_json, to_markdown
from headstart.report.page import to_html
from headstart.study.run.promises import foretold_privacy
from headstart.study.study import Study
from headstart.study.written.load import load_study
from headstart.training.accountant import Releases, epsilon_of
from tiny_study import FEDAVG, open_tiny, read_records, run_tiny

PRIVATE = (
    'start = "random"\n'
    "federate = { method = 'fedavg', rounds = 3, client_lr = 0.2, clip_norm = 0.5, noise_multiplier = 2.0 }"
)
DROWNED = PRIVATE.replace("noise_multiplier = 2.0", "noise_multiplier = 1e4")
ARMS = {"fedavg": FEDAVG, "private": PRIVATE, "drowned": DROWNED}
ONCE = epsilon_of([Releases(3, 1.0, 2.0)], 1e-5)
TRIALS = epsilon_of([Releases(12, 1.0, 2.0)], 1e-5)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with arms under noise, two trials each, of two seeds that choose together."""
    folder = tmp_path_factory.mktemp("private")
    run_tiny(folder, arms=ARMS, more="[tuning]\ntrials = 2\n[study]\nuntil = 'all'\n")
    return folder / "out"


def test_records_hold_the_epsilon_of_a_run_and_of_all_its_trials(private: Path) -> None:
    found = {(line["arm"], line["seed"]): line["privacy"] for line in read_records(private)}
    assert found["fedavg", 0] is None
    for seed in (0, 1):
        one = found["private", seed]
        assert one["epsilon"] == pytest.approx(ONCE)
        assert one["all_runs"] == pytest.approx(TRIALS)
        assert (one["delta"], one["clients"], one["runs"]) == (1e-5, 4, 4)


def test_the_verdict_and_every_report_say_it(private: Path) -> None:
    verdict = json.loads((private / "verdict.json").read_text())
    assert set(verdict["privacy"]) == {"private", "drowned"}
    assert verdict["privacy"]["private"]["epsilon"] == pytest.approx(ONCE)
    run = load_run(private)
    page, markdown = to_html(run), to_markdown(run)
    words = (
        f"epsilon {ONCE:.3g} (delta 1e-05) for each of 4 clients with all that it holds; {TRIALS:.3g} for the 4 runs"
    )
    assert words in page
    assert words in markdown
    assert "In a simulation nothing is hidden" in page
    assert "In a simulation nothing is hidden" in markdown
    assert "| Epsilon |" in markdown
    assert to_json(run)["verdict"]["privacy"] == verdict["privacy"]


def test_a_study_without_noise_says_nothing_of_it(finished: Path) -> None:
    run = load_run(finished)
    assert run.verdict["privacy"] == {}
    assert "psilon" not in to_markdown(run)
    assert "What clients are promised" not in to_html(run)


def test_noise_that_drowns_all_is_noticed_and_named(private: Path) -> None:
    lines = [line for line in read_records(private) if line["arm"] == "drowned"]
    words = [finding["words"] for line in lines for finding in line["learnt"] if finding["failed"]]
    assert words
    assert all("likeliest cause: noise that drowns what clients send (lower noise_multiplier" in one for one in words)


def test_the_sentence_says_that_there_is_noise(private: Path) -> None:
    says: dict[str, Any] = {line["arm"]: line["says"] for line in read_records(private)}
    assert "fedavg, 3 rounds, under noise" in says["private"]
    assert "noise" not in says["fedavg"]


def test_a_plan_foretells_what_the_records_will_say(private: Path) -> None:
    study = Study.open(load_study(private.parent / "study.toml"))
    arms = study.file.arms
    found = foretold_privacy(arms, study.lab.federation, 2, (0, 1))
    assert set(found) == {"private", "drowned"}
    assert found["private"] == next(line["privacy"] for line in read_records(private) if line["arm"] == "private")


def test_open_tiny_checks_noise_without_a_clip(tmp_path: Path) -> None:
    from headstart.core.errors import SettingError

    bad = PRIVATE.replace("clip_norm = 0.5, ", "")
    with pytest.raises(SettingError, match=r"arms\.private\.federate\.noise_multiplier: needs clip_norm, .*ed 2 "):
        open_tiny(tmp_path, arms={"fedavg": FEDAVG, "private": bad})
