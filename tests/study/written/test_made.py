"""A study goes on in a folder by the folder's own decision, as far as its file writes none."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from headstart.study.written.load import StudyFile, parse_study
from headstart.study.written.made import as_made
from headstart.study.written.schema import DecisionSettings

BEFORE = {**asdict(DecisionSettings()), "min_effect": 0.01}


def study(**decision: Any) -> StudyFile:
    return parse_study({"name": "demo", "data": {"source": "digits"}, "decision": decision}, Path())


def test_what_the_file_does_not_write_stays_as_the_folder_was_made_with() -> None:
    file, said = as_made(study(), BEFORE)
    assert file.settings.decision.min_effect == 0.01
    assert said == ("decision.min_effect: 0.01, as this folder was made with (the default is 0.02 now)",)


@pytest.mark.parametrize("before", [{}, asdict(DecisionSettings()), {"of another time": 1}])
def test_where_nothing_differs_nothing_is_said(before: dict[str, Any]) -> None:
    file = study()
    assert as_made(file, before) == (file, ())


def test_what_the_file_writes_stands() -> None:
    file = study(min_effect=0.02)
    assert as_made(file, BEFORE) == (file, ())


def test_a_baseline_that_the_study_has_no_more_does_not_stay() -> None:
    assert as_made(study(), {**BEFORE, "baseline": "ridge"})[0].settings.decision.baseline == "ridge"
    assert as_made(study(), {**BEFORE, "baseline": "gone"})[0].settings.decision.baseline == "fedavg"
