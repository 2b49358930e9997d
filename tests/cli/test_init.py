"""``headstart init``: what a user sees, and that what it writes runs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from headstart.cli import main
from headstart.cli.terminal import Terminal
from headstart.study.written.load import load_study


@dataclass
class Done:
    """One command that has ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in this process and an own folder, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capfd.readouterr()
        return Done(code, told.out, told.err)

    return run


def write_csv(path: Path, *, classes: int = 2, hospital: str = "hospital") -> None:
    draw = np.random.default_rng(0)
    rows = (
        f"{draw.integers(20, 90)},{draw.normal():.3f},{'abc'[draw.integers(3)]},{'xyz'[i % classes]}"
        for i in range(150)
    )
    path.write_text("\n".join((f"age,dose,{hospital},label", *rows)) + "\n")


def test_writes_a_file_that_plan_opens(run: Run) -> None:
    write_csv(Path("wards.csv"))
    done = run("init", "wards.csv", "--yes")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "wards.csv: 150 rows, 4 columns" in done.out
    assert "headstart plan study.toml" in done.out
    assert load_study("study.toml").settings.data.client == "hospital"
    planned = run("plan", "study.toml")
    assert (planned.code, planned.err) == (0, "")
    assert "clients      3: " in planned.out


def test_never_writes_over_a_file_unless_told_to(run: Run) -> None:
    write_csv(Path("wards.csv"))
    Path("study.toml").write_text("mine")
    done = run("init", "wards.csv")
    assert (done.code, done.out) == (2, "")
    assert "--out: must be a new file, received 'study.toml', which exists" in done.err
    assert Path("study.toml").read_text() == "mine"
    assert run("init", "wards.csv", "--force").code == 0
    assert "mine" not in Path("study.toml").read_text()


def test_paths_start_at_the_files_folder(run: Run) -> None:
    write_csv(Path("wards.csv"))
    Path("studies").mkdir()
    assert run("init", "wards.csv", "--out", "studies/mine.toml").code == 0
    assert tomllib.loads(Path("studies/mine.toml").read_text())["data"]["source"] == "../wards.csv"


def test_the_folder_of_the_file_must_be_there(run: Run) -> None:
    write_csv(Path("wards.csv"))
    done = run("init", "wards.csv", "--out", "none/mine.toml")
    assert done.code == 2
    assert "--out: must lie in a folder that exists" in done.err


def test_data_that_nothing_can_be_made_of_leave_no_file(run: Run) -> None:
    Path("x.csv").write_text("nr\n" + "\n".join(map(str, range(50))))
    done = run("init", "x.csv")
    assert done.code == 2
    assert "must have a column of labels" in done.err
    assert not Path("study.toml").exists()


def test_an_open_question_is_in_the_file_and_is_no_success(run: Run) -> None:
    write_csv(Path("wards.csv"), classes=1)
    done = run("init", "wards.csv")
    assert done.code == 1
    assert "1 class" in done.out
    assert "then: headstart plan study.toml" in " ".join(done.out.split())
    assert "# OPEN QUESTION: data.label: 'label' of 'wards.csv' has 1 class" in Path("study.toml").read_text()


def test_what_a_comma_means_is_left_to_the_user(run: Run) -> None:
    rows = (f"{1 + i % 7},{100 + i};{'ab'[i // 2 % 2]}" for i in range(90))
    Path("x.csv").write_text("\n".join(("dose;label", *rows)))
    assert run("init", "x.csv").code == 1
    text = Path("study.toml").read_text()
    assert "OPEN QUESTION: data.decimal: column 'dose' of 'x.csv' holds '1,100'" in " ".join(
        text.replace("# ", "").split()
    )
    Path("study.toml").write_text(text.replace("# decimal =", "decimal ="))
    assert run("plan", "study.toml").code == 0


def test_what_is_said_on_the_command_line_is_not_guessed(run: Run) -> None:
    write_csv(Path("wards.csv"))
    assert run("init", "wards.csv", "--label", "hospital", "--client", "none").code == 0
    table = tomllib.loads(Path("study.toml").read_text())["data"]
    assert (table["label"], table["partition"]["num_clients"]) == ("hospital", 3)


def test_a_hostile_name_commands_neither_terminal_nor_file(run: Run) -> None:
    write_csv(Path("wards.csv"), hospital="\x1b[2J[red]\u202e")
    done = run("init", "wards.csv")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out + Path("study.toml").read_text()
    assert tomllib.loads(Path("study.toml").read_text())["data"]["one_hot"] == ["\x1b[2J[red]\u202e"]


def test_digits_are_data_too(run: Run) -> None:
    done = run("init", "digits")
    assert done.code == 0
    assert "1,797, 8 x 8, L" in done.out


def test_asks_in_a_terminal_and_takes_the_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    rows = (f"{draw.normal():.3f},{i % 2},{i // 2 % 2},{'abc'[i % 3]}" for i in range(150))
    Path("wards.csv").write_text("\n".join(("dose,cough,fever,kind", *rows)) + "\n")
    asked, answers = [], iter(["coughh", "cough", "kind"])

    def answer(question: str, default: str) -> str:
        asked.append(default)
        return next(answers)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(Terminal, "is_terminal", True)
    monkeypatch.setattr("typer.prompt", answer)
    done = run("init", "wards.csv")
    assert done.code == 0
    assert asked == ["kind", "kind", "none"]
    assert "no column 'coughh'; did you mean 'cough'?" in done.out
    table = tomllib.loads(Path("study.toml").read_text())["data"]
    assert (table["label"], table["client"]) == ("cough", "kind")
