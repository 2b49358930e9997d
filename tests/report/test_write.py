import json
from pathlib import Path

import pytest

from headstart.core.errors import SettingError
from headstart.report import load_run, to_json, to_markdown, write_report

from .run_folders import Recipe, write_run


def test_every_format_is_written_beside_the_records(few_folder: Path) -> None:
    paths = write_report(few_folder, formats=("html", "md", "json"))
    assert [path.name for path in paths] == ["report.html", "report.md", "report.json"]
    assert json.loads(paths[2].read_text())["headline"] == "Recommended: finetune-lp-ft"


def test_the_same_folder_gives_the_same_bytes(bare_folder: Path) -> None:
    (path,) = write_report(bare_folder)
    first = path.read_bytes()
    write_report(bare_folder)
    assert path.read_bytes() == first


def test_an_unknown_format_writes_nothing(bare_folder: Path) -> None:
    with pytest.raises(SettingError, match="report format 'htm' is unknown: did you mean 'html'"):
        write_report(bare_folder, formats=("html", "htm"))
    assert not (bare_folder / "report.html").exists()


def test_json_has_no_nan_and_every_arm_and_client(slate_folder: Path) -> None:
    value = to_json(load_run(slate_folder))
    json.dumps(value, allow_nan=False)
    assert (len(value["arms"]), len(value["clients"])) == (13, 20)
    assert value["prediction"]["held"] is True
    assert value["tuning"][0]["trials"] == 8


def test_markdown_has_the_verdict_and_the_arms(slate_folder: Path) -> None:
    text = to_markdown(load_run(slate_folder))
    assert text.startswith("# cats-dogs: Recommended: ridge-personal\n")
    assert "| ridge-personal (arm to use) |  | 8" in text
    assert "- prox-large: device 'clinic'" in text


def test_markdown_lists_every_client_when_they_are_few(few_folder: Path) -> None:
    text = to_markdown(load_run(few_folder))
    assert "## Every client\n" in text
    assert text.count("| Hospital ") == 4


def test_markdown_begins_with_the_answer_and_its_parts(answered: dict[str, Path]) -> None:
    text = to_markdown(load_run(answered["undecided"]))
    assert text.startswith("# cats-dogs: Share; whether to adapt afterwards is open\n\nUndecided between")
    top = text[: text.index("## Arms")]
    labels = ("Does the good start pay?", "Does sharing pay?", "Does adapting pay on top?", "Arm to use:", "Needed:")
    assert [label for label in labels if f"- **{label}** " not in top] == []
    assert "| twice the test examples | " in text
    assert "- No client is surely better with both" in text


def test_json_begins_with_the_answer(answered: dict[str, Path]) -> None:
    value = to_json(load_run(answered["better"]))
    said = value["answer"]
    assert list(value)[:5] == ["name", "metric", "headline", "sentence", "answer"]
    assert (said["answer"], said["grounds"], said["scope"]) == ("federate", "better", "these")
    assert [one["state"] for one in said["questions"]] == ["better", "better", "not asked"]
    assert said["can_decide"][0]["these"]["typical"] > 0
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_an_older_verdict_says_so_in_every_format(slate_folder: Path, form: str) -> None:
    (path,) = write_report(slate_folder, formats=(form,))
    assert "run the study into a new folder" in path.read_text()


def test_without_a_verdict_there_is_no_answer(bare_folder: Path) -> None:
    assert to_json(load_run(bare_folder))["answer"] is None


def test_a_pipe_in_a_name_does_not_break_the_table(tmp_path: Path) -> None:
    recipe = Recipe(arms=("local", "fedavg"), seeds=1, clients=3, unseen=0, names="a|{}", curves=False)
    assert "| a\\|1 |" in to_markdown(load_run(write_run(tmp_path, recipe)))
