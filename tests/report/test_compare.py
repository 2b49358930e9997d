"""Two run folders beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.report import load_run
from headstart.report.compare import Comparison, compare_lines, compare_runs

from .answered import write_answered


def compared(before: Path, after: Path) -> Comparison:
    return compare_runs(load_run(before), load_run(after))


def test_a_run_is_as_itself(answered: dict[str, Path]) -> None:
    found = compared(answered["better"], answered["better"])
    assert found.same_answer
    assert (found.settings, found.data, found.versions, found.arms) == ((), (), (), ())
    assert found.answer[0] == "The answer is the same."
    assert found.why[-1] == "No change of settings, data or versions was found."
    moved = [line for line in found.why if " over " in line]
    assert moved
    assert all("within chance" in line for line in moved)
    assert ("Settings", "the same") in list(compare_lines(found))


def test_another_answer_is_said_first(answered: dict[str, Path]) -> None:
    found = compared(answered["better"], answered["fine-tune"])
    assert not found.same_answer
    assert found.answer[0] == "The answer has changed."
    assert "Federate" in found.answer[1]
    assert "Fine-tune" in found.answer[2]
    assert any("more than chance" in line for line in found.why)


def test_a_changed_setting_and_other_data_are_named(tmp_path: Path) -> None:
    before, after = (write_answered(tmp_path / name, "better") for name in ("before", "after"))
    for folder, size, clients in ((before, 16, 6), (after, 32, 8)):
        (folder / "settings.json").write_text(json.dumps({"training": {"batch_size": size}}))
        said = {"clients": [{"id": str(i)} for i in range(clients)], "key": folder.name, "notes": []}
        (folder / "federation.json").write_text(json.dumps(said))
    found = compared(before, after)
    assert found.settings == ("training.batch_size: 16, now 32",)
    assert found.data == ("content (a hash): before, now after", "number of clients: 6, now 8")
    assert found.why[-1] == "Changed: settings, data."


def test_what_claims_nothing_is_no_answer_to_compare(answered: dict[str, Path]) -> None:
    found = compared(answered["undecided"], answered["no claim"])
    assert found.same_answer is None
    assert compared(answered["undecided"], answered["undecided"]).same_answer


def test_an_unfinished_run_has_no_answer_to_compare(answered: dict[str, Path], bare_folder: Path) -> None:
    found = compared(bare_folder, answered["better"])
    assert found.same_answer is None
    assert found.answer[:2] == ("There are no two answers to compare.", "before: no verdict yet")
    assert not found.arms
    assert list(compare_lines(found))


def test_a_verdict_from_before_the_answer_is_named(answered: dict[str, Path], slate_folder: Path) -> None:
    found = compared(slate_folder, answered["better"])
    assert found.same_answer is None
    assert "from before studies answered" in found.answer[1]


def test_a_missing_file_is_no_change(tmp_path: Path) -> None:
    before, after = (write_answered(tmp_path / name, "better") for name in ("before", "after"))
    for name in ("settings.json", "federation.json"):
        (after / name).unlink(missing_ok=True)
        (before / name).write_text(json.dumps({"clients": [{"id": "a"}], "key": "k"}))
    found = compared(before, after)
    assert (found.settings, found.data) == ((), ())
    assert any("lacks settings.json" in line for line in found.why)
    assert any("lacks federation.json" in line for line in found.why)


@pytest.mark.parametrize("many", [5, 40])
def test_of_many_changes_some_are_shown(answered: dict[str, Path], many: int) -> None:
    found = compared(answered["better"], answered["better"])
    long = Comparison(**{**found.__dict__, "settings": tuple(f"key {i}: 1, now 2" for i in range(many))})
    lines = [text for label, text in compare_lines(long) if label == "Settings"]
    assert len(lines) == min(many, 13)
    assert (lines[-1] == "and 28 more") is (many == 40)
