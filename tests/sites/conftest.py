"""Four sites with handwritten digits, and a study over them."""

from pathlib import Path

import pytest

from headstart.study.written.load import StudyFile, load_study

pytest.importorskip("flwr")


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sites.in_process import write_sites

    return write_sites(tmp_path_factory.mktemp("sites"))


@pytest.fixture(scope="package")
def file(folder: Path) -> StudyFile:
    return load_study(folder / "study.toml")
