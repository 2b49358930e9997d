"""Races of small studies: clients with few examples of one concept, so that sharing surely pays."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart import Arm, Study, from_arrays
from headstart.core.errors import ClientError, SettingError
from headstart.core.files import read_json_lines
from headstart.core.progress import Silent
from headstart.data.split_settings import SplitSettings
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import Outcome
from headstart.study.written.load import parse_study

CLIENTS, EACH, CLASSES = 8, 60, 4
STEPS = {"client_lr": 0.2}
ARMS = (
    Arm("local-ridge", "random", adapt="local_ridge"),
    Arm("ridge", "random", "ridge"),
    Arm("ridge-personal", "random", "ridge", "personal_ridge"),
    Arm("local", "random", adapt={"method": "full_finetune", "epochs": 4, **STEPS}),
    Arm("fedavg", "random", {"method": "fedavg", "rounds": 4, **STEPS}),
    Arm("slow", "random", {"method": "fedavg", "rounds": 1, "client_lr": 1e-4}),
    Arm("pooled", "random", {"method": "pooled", "epochs": 4, **STEPS}),
)


def _federation(spread: float = 1.0) -> Any:
    """Clients' classes lie around shared centres in 30 dimensions."""
    draw = np.random.default_rng(1)
    labels = draw.integers(0, CLASSES, CLIENTS * EACH)
    centres = spread * draw.standard_normal((CLASSES, 30))
    inputs = (centres[labels] + draw.standard_normal((len(labels), 30)) * 2).astype(np.float32)
    clients = np.repeat(np.arange(CLIENTS), EACH)
    return from_arrays(inputs, labels, clients=clients, split=SplitSettings(train=0.3, val=0.2, test=0.5))


def _study(seeds: int = 5, arms: Any = ARMS, spread: float = 1.0, **more: Any) -> Study:
    """Return a study, ``more`` tables of its file."""
    study = Study(_federation(spread), arms, backbone="linear", seeds=range(seeds), trials=2, metric="accuracy")
    running = {name: dataclasses.replace(getattr(study.file.settings, name), **table) for name, table in more.items()}
    study.file = dataclasses.replace(study.file, settings=dataclasses.replace(study.file.settings, **running))
    return study


def _records(out: Path) -> dict[tuple[str, int], Any]:
    lines = read_json_lines(out / "records.jsonl")
    return {(line["arm"], line["seed"]): {**line, "timing": None} for line in lines}


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Return a race that decides at its first look."""
    out = tmp_path_factory.mktemp("raced")
    return out, _study().run(out)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Return the same study, run in full."""
    out = tmp_path_factory.mktemp("full")
    return out, _study(study={"until": "all"}).run(out)


def test_a_race_ends_when_it_is_decided(raced: tuple[Path, Outcome]) -> None:
    out, outcome = raced
    race = outcome.verdict.race
    assert race is not None
    assert race.ended == "decided"
    assert [(look.seeds, look.answer) for look in race.taken] == [(3, outcome.verdict.answer.family)]
    assert outcome.verdict.answer.family != "fine-tune"
    assert {seed for _, seed in _records(out)} == {0, 1, 2}
    assert [(look.seeds, round(look.alpha, 3)) for look in race.coming] == [(5, 0.04)]


def test_an_arm_or_a_seed_asked_for_after_a_race_leaves_its_answer(raced: tuple[Path, Outcome], tmp_path: Path) -> None:
    import shutil

    family = raced[1].verdict.answer.family
    shutil.copytree(raced[0], tmp_path / "copy")
    for asked in ({"arms": ["pooled"]}, {"arms": ["ridge"], "seeds": [4]}):
        verdict = _study().run(tmp_path / "copy", **asked).verdict
        assert (verdict.answer.family, verdict.num_seeds) == (family, 3)
        assert any("seeds 3, 4 alone" in words for words in verdict.cautions)


def test_the_confidence_is_that_of_the_look(raced: tuple[Path, Outcome]) -> None:
    assert raced[1].verdict.confidence == pytest.approx(0.99)


def test_its_answer_and_its_numbers_are_those_of_the_full_study(
    raced: tuple[Path, Outcome], full: tuple[Path, Outcome]
) -> None:
    assert raced[1].verdict.answer.family == full[1].verdict.answer.family
    some, every = _records(raced[0]), _records(full[0])
    assert len(every) == 5 * len(ARMS)
    assert all(every[key] == line for key, line in some.items())


def test_who_went_out_is_said_with_the_reason(raced: tuple[Path, Outcome]) -> None:
    verdict = raced[1].verdict
    assert verdict.race is not None
    assert verdict.race.out["pooled"].kind == "reference"
    assert verdict.race.out["slow"].kind == "dropped"
    assert "points behind" in verdict.race.out["slow"].why
    assert ("slow", 2) not in _records(raced[0])
    assert verdict.arms["slow"].status == "dropped"
    gone = {arm for arm, out in verdict.race.out.items() if out.kind == "dropped"}
    assert verdict.recommended not in gone
    said = json.loads((raced[0] / "verdict.json").read_text())
    assert said["race"]["out"]["slow"]["kind"] == "dropped"


def test_run_in_full_nothing_goes_out(full: tuple[Path, Outcome]) -> None:
    race = full[1].verdict.race
    assert race is not None
    assert (race.ended, race.out, [look.seeds for look in race.taken]) == ("all", {}, [5])


def test_a_second_run_says_the_same_and_runs_nothing(raced: tuple[Path, Outcome]) -> None:
    out, before = raced[0], (raced[0] / "verdict.json").read_text()
    records = (out / "records.jsonl").read_text()
    _study().run(out)
    assert (out / "verdict.json").read_text() == before
    assert (out / "records.jsonl").read_text() == records


def test_a_race_in_a_folder_that_has_more_says_what_it_would_have_said(
    raced: tuple[Path, Outcome], full: tuple[Path, Outcome], tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(full[0], tmp_path / "copy")
    verdict = _study().run(tmp_path / "copy").verdict
    assert verdict.race == raced[1].verdict.race
    assert verdict.answer == raced[1].verdict.answer
    assert any("looked at 2 times" in words for words in verdict.cautions)


def test_what_is_not_decided_is_looked_at_again_with_the_last_seed(tmp_path: Path) -> None:
    verdict = _study(spread=0.35, decision={"min_effect": 0.001}).run(tmp_path).verdict
    assert verdict.race is not None
    assert [look.seeds for look in verdict.race.taken] == [3, 5]
    records = _records(tmp_path)
    for family in verdict.answer.families.values():
        seeds = {seed for arm, seed in records if arm == family.representative}
        assert seeds in ({0, 1, 2}, set(range(5)))
    assert verdict.confidence == pytest.approx(0.96)
    assert verdict.race.ended in ("decided", "last look")


def test_without_validation_data_nobody_is_dropped(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    inputs, labels = draw.standard_normal((160, 5)).astype(np.float32), draw.integers(0, 2, 160)
    federation = from_arrays(
        inputs, labels, clients=np.arange(160) % 4, split=SplitSettings(train=0.5, val=0.0, test=0.5)
    )
    study = Study(federation, ARMS[:4], backbone="linear", seeds=range(4), trials=1, metric="accuracy")
    race = study.run(tmp_path).verdict.race
    assert race is not None
    assert not [out for out in race.out.values() if out.kind == "dropped"]


def test_when_time_is_up_nothing_more_is_begun_and_what_is_there_is_judged(tmp_path: Path) -> None:
    study = _study(budget={"minutes": 1e-9})
    (tmp_path / "out").mkdir()
    _study().run(tmp_path / "out", arms=["ridge", "local-ridge"])
    assert len(_records(tmp_path / "out")) == 10
    with pytest.raises(SettingError, match="minutes"):
        study.run(tmp_path / "new")


def test_the_budget_allows_fewer_seeds_or_more() -> None:
    def seeds(most: int) -> tuple[int, ...]:
        table = {"name": "a", "seeds": [4, 2, 7], "data": {"source": "digits"}, "budget": {"max_seeds": most}}
        return parse_study(table, Path()).settings.seeds

    assert (seeds(2), seeds(3), seeds(6)) == ((4, 2), (4, 2, 7), (4, 2, 7, 8, 9, 10))
    with pytest.raises(SettingError, match=r"budget\.max_seeds"):
        seeds(10**12)


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"study": {"until": "soon"}}, "study.until"),
        ({"budget": {"minutes": 0}}, "budget.minutes"),
        ({"budget": {"max_seeds": 0}}, "budget.max_seeds"),
        ({"study": {"headroom": -1}}, "study.headroom"),
    ],
)
def test_a_wrong_setting_is_named(table: dict[str, Any], path: str) -> None:
    with pytest.raises(SettingError, match=path):
        parse_study({"name": "a", "data": {"source": "digits"}, **table}, Path())


def test_heads_far_behind_screen_their_familys_deep_arms(tmp_path: Path) -> None:
    verdict = _study(study={"headroom": 0.01}).run(tmp_path).verdict
    assert verdict.race is not None
    assert verdict.race.out["local"].kind == "screened"
    assert [round(look.alpha, 3) for look in verdict.race.taken] == [0.005, 0.01]
    assert not [key for key in _records(tmp_path) if key[0] == "local"]


def test_the_number_of_lines_foretold_is_that_of_those_told(tmp_path: Path) -> None:
    class Count(Silent):
        planned, told = 0, 0

        def plan(self, runs: int) -> None:
            self.planned = runs

        def finish(self, text: str) -> None:
            self.told += 1
            assert self.told <= self.planned

    count = Count()
    _study().run(tmp_path, progress=count)
    assert count.told == count.planned


def test_what_time_did_not_suffice_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    up: list[str] = []
    clock = SimpleNamespace(monotonic=lambda: math.inf if up else 0.0)
    monkeypatch.setattr("headstart.study.run.course.time", clock)

    class Late(Silent):
        """Time is up once heads are done."""

        def finish(self, text: str) -> None:
            up.extend([text] if text.startswith("ridge-personal, seed 2") else [])

    verdict = _study(budget={"minutes": 60}).run(tmp_path, progress=Late()).verdict
    assert verdict.race is not None
    assert verdict.race.ended == "time"
    assert {arm for arm, out in verdict.race.out.items() if out.kind == "time"} == {"local", "fedavg", "slow"}
    assert verdict.cautions[0].startswith("Time was up before these arms were run in full: ")
    assert not [key for key in _records(tmp_path) if key[0] == "fedavg"]


def test_time_may_be_up_between_two_trials_and_what_was_tried_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raced: tuple[Path, Outcome]
) -> None:
    told: list[str] = []

    class Late(Silent):
        def finish(self, text: str) -> None:
            told.append(text)

    def deep(trial: str) -> list[str]:
        return [line for line in told if trial in line and line.startswith(("local,", "fedavg,", "slow,"))]

    with monkeypatch.context() as patch:
        clock = SimpleNamespace(monotonic=lambda: math.inf if deep("trial 0") else 0.0)
        patch.setattr("headstart.study.run.course.time", clock)
        verdict = _study(budget={"minutes": 60}).run(tmp_path, progress=Late()).verdict
    assert verdict.race is not None
    assert verdict.race.ended == "time"
    assert deep("trial 1") == []
    _study().run(tmp_path)
    assert _records(tmp_path) == _records(raced[0])


def test_a_deep_arm_that_takes_longer_than_is_left_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"fedavg": 7200.0}
    monkeypatch.setattr(
        "headstart.study.judging.seconds_of_run", lambda *_: lambda arm, seed: seconds.get(arm.name, 1.0)
    )
    verdict = _study(budget={"minutes": 60}).run(tmp_path).verdict
    assert verdict.race is not None
    assert verdict.race.ended == "time"
    assert [arm for arm, out in verdict.race.out.items() if out.kind == "time"] == ["fedavg"]
    assert re.fullmatch(r"a run of it takes about 2 h, and \d+ min were left", verdict.race.out["fedavg"].why)
    assert verdict.cautions[0].startswith("Time was up before these arms were run in full: fedavg.")
    assert {arm for arm, _ in _records(tmp_path)} >= {"local-ridge", "ridge", "ridge-personal", "local"}
    assert not [key for key in _records(tmp_path) if key[0] == "fedavg"]


DEEP = tuple(arm for arm in ARMS if arm.name in ("local", "fedavg"))


def test_without_heads_there_is_nothing_to_screen_by(tmp_path: Path) -> None:
    verdict = _study(arms=DEEP, study={"headroom": 0.01}).run(tmp_path).verdict
    assert verdict.race is not None
    assert {arm for arm, _ in _records(tmp_path)} == {"local", "fedavg"}
    assert [(one.seeds, one.alpha) for one in verdict.race.taken] in ([(3, 0.015)], [(3, 0.015), (5, 0.035)])


def test_where_no_arm_fits_into_the_time_it_is_said_which_takes_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.study.judging.seconds_of_run", lambda *_: lambda arm, seed: 7200.0)
    with pytest.raises(SettingError, match=r"budget.minutes: .*received 60; local: a run of it takes about 2 h, and"):
        _study(arms=DEEP, budget={"minutes": 60}).run(tmp_path)


def test_an_arm_whose_trials_all_fail_leaves_the_race_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = Pipeline.trunk

    def failing(pipeline: Pipeline, arm: Arm) -> object:
        if arm.name == "slow":
            raise ClientError("all clients diverged")
        return trunk(pipeline, arm)

    monkeypatch.setattr(Pipeline, "trunk", failing)
    outcome = _study().run(tmp_path)
    assert "every one of 2 tuning trials failed" in outcome.stopped["slow"]
    assert outcome.verdict.answer.family is not None
