import json
from pathlib import Path

import pytest

from .answered import CASES, write_answered
from .run_folders import Recipe, write_run

SMALL = ("local", "finetune-lp-ft", "fedavg", "ridge")


@pytest.fixture(scope="session")
def slate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole slate: 13 arms, 5 seeds, 20 clients, four of them held out."""
    return write_run(tmp_path_factory.mktemp("runs") / "slate")


@pytest.fixture(scope="session")
def few_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clients, two arms too near to tell, nothing held out, no diagnosis."""
    recipe = Recipe(arms=SMALL, clients=4, unseen=0, seeds=2, diagnosis=False, clear_winner=False, names="Hospital {}")
    return write_run(tmp_path_factory.mktemp("runs") / "few", recipe)


@pytest.fixture(scope="session")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run folder of every case, by its name."""
    home = tmp_path_factory.mktemp("answered")
    return {name: write_answered(home / name.replace(" ", "-"), name) for name in CASES}


@pytest.fixture
def doubted(tmp_path: Path) -> Path:
    """A clear answer that a column which tells the label puts in doubt."""
    folder = write_answered(tmp_path / "doubted", "better")
    verdict = json.loads((folder / "verdict.json").read_text())
    words = "column 'num' alone tells 'label'"
    (folder / "verdict.json").write_text(json.dumps({**verdict, "doubt": words, "cautions": [words]}))
    return folder


@pytest.fixture
def bare_folder(tmp_path: Path) -> Path:
    """One arm, one seed, no tuning, curves, diagnosis or verdict."""
    recipe = Recipe(arms=("fedavg",), seeds=1, clients=3, unseen=0, nan_client=False)
    recipe = Recipe(**{**recipe.__dict__, "tuning": False, "curves": False, "diagnosis": False, "verdict": False})
    return write_run(tmp_path / "bare", recipe)
