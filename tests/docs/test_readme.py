from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from docs.pages import DOCS, ROOT, blocks

README = ROOT / "README.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


FOR_DEVELOPERS = {"bench", "docs"}
SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file() and path.suffix == "")


def command_after(mark: str) -> str:
    """Return the one-line command that stands below a mark."""
    found = re.findall(rf"<!-- {mark} -->\n```console\n([^\n]+)\n```", README.read_text())
    assert len(found) == 1
    return str(found[0])


@pytest.mark.parametrize("mark", ["demo command", "test command"])
def test_each_command_makes_its_own_environment(mark: str) -> None:
    command = command_after(mark)
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert "-c requirements/constraints.txt" in command
    (extra,) = re.findall(r"'\.\[(\w+)\]'", command)
    assert extra in PROJECT["optional-dependencies"]


def test_continuous_integration_runs_the_test_command() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    wanted = r"sed -n '/<!-- test command -->/,/^```$/p' README.md | grep '^python3 '"
    assert wanted in ci
    found = subprocess.run(["bash", "-c", wanted], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == command_after("test command")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_can_be_run_and_is(script: Path) -> None:
    assert script.stat().st_mode & 0o100, "it must be executable"
    asked = re.search(rf"^job {script.name} scripts/{script.name}\b", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert script.name == "test" or asked
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_continuous_integration_checks_the_figures() -> None:
    assert "scripts/figures.py --check" in (ROOT / ".ci" / "run").read_text()


def test_pinned_versions_are_within_the_projects_ranges() -> None:
    lines = (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if line and not line.startswith("#"))
    extras = PROJECT["optional-dependencies"]
    wanted = [Requirement(text) for text in [*PROJECT["dependencies"], *(r for rs in extras.values() for r in rs)]]
    foreign = [requirement for requirement in wanted if requirement.name != "headstart"]
    assert [str(one) for one in foreign if not one.specifier.contains(pins[one.name.lower()])] == []


def test_what_pulls_pytorch_repeats_its_bound() -> None:
    (bound,) = (text for text in PROJECT["dependencies"] if text.startswith("torch>"))
    assert bound == "torch>=2.6,<2.14"
    heavy = {
        name: requirements
        for name, requirements in PROJECT["optional-dependencies"].items()
        if any(text.startswith("transformers") for text in requirements)
    }
    assert heavy
    assert [name for name, requirements in heavy.items() if bound not in requirements] == []
    assert bound in (DOCS / "install.md").read_text()


def test_it_is_read_in_one_screen() -> None:
    assert len(README.read_text().splitlines()) <= 50


def test_every_extra_is_told() -> None:
    rows = re.findall(r"^\| (`.+?) \|", (DOCS / "install.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([a-z]+)`", row)}
    assert told == {*PROJECT["optional-dependencies"]} - FOR_DEVELOPERS


def test_pages_and_site_name_the_version() -> None:
    version = PROJECT["version"]
    edge = tomllib.loads((ROOT / "edge" / "pyproject.toml").read_text())["project"]["version"]
    assert edge == version
    assert f"site_name: Headstart {version}\n" in (ROOT / "mkdocs.yml").read_text()
    assert f"headstart-{version}-py3" in (DOCS / "install.md").read_text()
    assert f"\n## [{version}] – " in (ROOT / "CHANGELOG.md").read_text()


def test_the_picture_is_small() -> None:
    assert 10_000 < (DOCS / "images" / "report.png").stat().st_size < 300_000


def test_the_example_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = blocks(DOCS / "python.md", "python")
    exec(example, {})
    said = re.findall(r"print\(.*\)  # (.+)$", example, re.MULTILINE)
    assert said
    assert capsys.readouterr().out.splitlines() == said
    assert (tmp_path / "runs" / "digits" / "verdict.json").exists()


@pytest.mark.slow
def test_the_demo_prints_what_is_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from headstart.cli import main; main()", "demo", "--out", str(tmp_path / "demo")]
    environment = {**os.environ, "COLUMNS": "118"}
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    (shown,) = (block for block in blocks(DOCS / "demo.md", "text") if block.startswith("demo: "))
    printed = " ".join(found.split())
    assert [line for line in shown.splitlines() if " ".join(line.split()) not in printed] == []


def test_every_variable_is_told() -> None:
    code = " ".join(path.read_text() for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("edge/src/**/*.py")])
    assert {*re.findall(r"HEADSTART_[A-Z_]*[A-Z]", code)} <= {
        *re.findall(r"`(HEADSTART_\w+)`", (DOCS / "install.md").read_text())
    }
