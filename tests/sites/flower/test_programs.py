"""The app that Flower sends around imports what is there; without Flower the command says how to get it."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.sites.flower.programs import Link, free_ports
from headstart.sites.settings import RunSettings


@pytest.mark.parametrize("half", ["client", "server"])
def test_the_app_imports_what_is_there(half: str, tmp_path: Path) -> None:
    Link("127.0.0.1:8000", tmp_path / "keys", tmp_path / "flower").run(tmp_path, RunSettings())
    body = ast.parse((tmp_path / "app" / "headstart_app" / f"{half}.py").read_text()).body
    (found,) = (line for line in body if isinstance(line, ast.ImportFrom))
    assert hasattr(importlib.import_module(found.module or ""), found.names[0].name)


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


COMMAND = """import sys
sys.modules.update(dict.fromkeys({missing}))
from headstart.cli import main
main({words})
"""


def _run(missing: tuple[str, ...], words: list[str]) -> subprocess.CompletedProcess[str]:
    code = COMMAND.format(missing=missing, words=words)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("missing", ["flwr", "cryptography", "dp_accounting"])
def test_a_federation_without_its_extra_is_one_helpful_line(missing: str, tmp_path: Path) -> None:
    words = ["federate", "keys", "--host", "localhost", "--site", "north", "--out", str(tmp_path / "keys")]
    done = _run((missing,), words)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [
        f"error: '{missing}' is not installed; it comes with the extra 'flower': "
        f"pip install -e '.[flower]' in a clone of the project, else pip install 'headstart[flower]'"
    ]
    assert not (tmp_path / "keys").exists()


def test_help_needs_no_extra() -> None:
    done = _run(("flwr", "cryptography", "dp_accounting", "torch"), ["federate", "run", "--help"])
    assert done.returncode == 0, done.stderr
    assert "--enough" in done.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--arm", "fedavgg"],
            "error: --arm: must be 'probe' or an arm of the study file, received 'fedavgg'",
        ),
        (
            ["--arm", "ridge", "--local", "5"],
            "error: --local: must be from 1 to the study's 4 seen clients, received 5",
        ),
    ],
)
def test_what_cannot_run_is_one_line(words: list[str], error: str, folder: Path, tmp_path: Path) -> None:
    done = _run((), ["federate", "run", str(folder / "study.toml"), "--out", str(tmp_path / "out"), *words])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(error)
