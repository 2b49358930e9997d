from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import DataError, SettingError
from headstart.report import check_answer

from .raced import GOING, OVER, write_raced


def test_a_family_passes_if_it_cannot_be_behind_by_more_than_what_matters(answered: dict[str, Path]) -> None:
    found = check_answer(answered["better"], "federate")
    assert (found.passed, found.post_hoc, found.margin) == (True, False, 0.02)
    assert found.line.startswith(f"yes: federate ({found.arm}): at most 0 points behind the best, 2 points allowed")
    other = check_answer(answered["better"], "fine-tune")
    assert other.regret_upper is not None
    assert other.regret_upper > 0.02
    assert other.line.startswith("no: fine-tune (")


def test_the_bound_itself_passes_and_another_margin_is_marked(answered: dict[str, Path]) -> None:
    bound = check_answer(answered["undecided"], "federate").regret_upper
    assert bound is not None
    assert check_answer(answered["undecided"], "federate", bound).passed
    found = check_answer(answered["undecided"], "federate", bound - 1e-6)
    assert not found.passed
    assert found.line.endswith("post hoc: another margin than the study's")
    assert not check_answer(answered["undecided"], "federate", 0.01).post_hoc


def test_without_a_claim_nothing_passes(answered: dict[str, Path]) -> None:
    found = check_answer(answered["no claim"], "federate", 1.0)
    assert (found.passed, found.regret_upper) == (False, None)
    assert "nothing can be claimed: it needs 3 seeds, and 2 were run" in found.line


def test_what_puts_the_answer_in_doubt_lets_nothing_pass(answered: dict[str, Path], doubted: Path) -> None:
    assert check_answer(answered["better"], "federate").passed
    found = check_answer(doubted, "federate")
    assert not found.passed
    assert found.line.startswith("no: federate (")
    assert found.line.endswith("; careful: column 'num' alone tells 'label'")


def test_the_only_family_passes_and_others_say_why_they_are_missing(answered: dict[str, Path]) -> None:
    assert "the only family that may run" in check_answer(answered["only"], "fine-tune").line
    with pytest.raises(DataError, match="no arm of 'both' can be judged: ridge: device 'tag' has no uplink"):
        check_answer(answered["only"], "both")
    with pytest.raises(DataError, match="no arm of 'both' can be judged: the study has none"):
        check_answer(answered["better"], "both")


def test_bad_input_is_refused(answered: dict[str, Path], slate_folder: Path, bare_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="received 'federated'; did you mean 'federate'"):
        check_answer(answered["better"], "federated")
    with pytest.raises(SettingError, match=r"--margin: must be at least 0, received -0\.1"):
        check_answer(answered["better"], "both", -0.1)
    with pytest.raises(DataError, match="is no run folder"):
        check_answer(tmp_path, "both")
    with pytest.raises(DataError, match="has no verdict yet"):
        check_answer(bare_folder, "both")
    with pytest.raises(DataError, match="from before studies answered the question"):
        check_answer(slate_folder, "both")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "local, finetune-head, finetune-lp-ft did not run in full"),
        ({"absent": {"fine-tune": "all failed"}}, "all failed"),
    ],
)
def test_an_unfinished_family_is_named(
    answered: dict[str, Path], tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    verdict = json.loads((answered["better"] / "verdict.json").read_text())
    del verdict["families"]["fine-tune"]
    (tmp_path / "records.jsonl").write_text((answered["better"] / "records.jsonl").read_text())
    (tmp_path / "verdict.json").write_text(json.dumps({**verdict, **change}))
    with pytest.raises(DataError, match=f"no arm of 'fine-tune' can be judged: {words}"):
        check_answer(tmp_path, "fine-tune")


def test_an_answer_on_the_way_is_marked(tmp_path: Path) -> None:
    found = check_answer(write_raced(tmp_path / "run", GOING), "both")
    assert found.passed
    assert found.line.endswith("99 %); so far: the study is not finished")
    assert "so far" not in check_answer(write_raced(tmp_path / "over", OVER), "both").line
