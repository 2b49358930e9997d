"""Imports are quick, and what is heavy or optional waits until it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_study import write_study

HEAVY = ("torch", "transformers", "datasets", "flwr_datasets", "altair", "sklearn", "pandas", "optuna", "tensorboard")


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def loaded(code: str) -> list[str]:
    """Run code and say which heavy modules it has loaded."""
    done = python(f"{code}\nimport sys\nprint(*(name for name in {HEAVY} if name in sys.modules))")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


def without(names: tuple[str, ...], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the command where some packages are not installed."""
    missing = f"import sys\nsys.modules.update(dict.fromkeys({names!r}))"
    return python(f"{missing}\nfrom headstart.cli import main\nmain({arguments!r})")


def test_import_headstart_loads_nothing_heavy() -> None:
    assert loaded("import headstart") == []


def test_import_headstart_is_quick() -> None:
    """Under 0.3 s of processor time, beyond the interpreter's own start; the best of three."""
    code = "import time; begin = time.process_time(); import headstart; print(time.process_time() - begin)"
    assert min(float(python(code).stdout) for _ in range(3)) < 0.3


def test_what_tests_start_has_as_many_threads_as_the_environment_says() -> None:
    """One, where nobody asked for more: `conftest.py` says so before anything imports PyTorch."""
    found = python("import torch; print(torch.get_num_threads())").stdout.strip()
    assert found == os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("arguments", [["--help"], ["study", "--help"], ["report", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"from headstart.cli import main\ntry:\n    main({arguments})\nexcept SystemExit:\n    pass"
    assert loaded(code) == []


def test_a_checkpoint_without_transformers_is_one_helpful_line(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    study.write_text(study.read_text().replace('"linear"', '"microsoft/resnet-18"'))
    done = without(("transformers",), ["study", str(study), "--out", str(tmp_path / "out")])
    check_helpful(done, "transformers", "images")


def test_a_partition_without_flwr_datasets_is_one_helpful_line(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    partition = 'partition = { method = "iid", num_clients = 3 }'
    study.write_text(study.read_text().replace('client = "site"', partition))
    done = without(("flwr_datasets",), ["study", str(study), "--out", str(tmp_path / "out")])
    check_helpful(done, "flwr_datasets", "partition")
    assert not (tmp_path / "out").exists()


def test_tensorboard_missing_is_said_before_anything_runs(tmp_path: Path) -> None:
    study, board = write_study(tmp_path), tmp_path / "board"
    arguments = ["study", str(study), "--out", str(tmp_path / "out"), "--track", f"tensorboard={board}"]
    done = without(("tensorboard",), arguments)
    check_helpful(done, "tensorboard", "tensorboard")
    assert not (tmp_path / "out").exists()
    assert not board.exists()


def check_helpful(done: subprocess.CompletedProcess[str], module: str, extra: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [
        f"error: '{module}' is not installed; it comes with the extra '{extra}': "
        f"pip install -e '.[{extra}]' in a clone of the project, else pip install 'headstart[{extra}]'"
    ]


def test_a_study_needs_no_extra(tmp_path: Path) -> None:
    """Natural clients, a table and a built-in network: the core package is enough."""
    study = write_study(tmp_path)
    extras = ("transformers", "flwr_datasets", "datasets", "tensorboard", "flwr")
    done = without(extras, ["study", str(study), "--out", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").exists()
