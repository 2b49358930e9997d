import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def image_cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own cache out of the tests."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(folder / name))
    return folder / "headstart" / "images"


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = os.environ.get("HEADSTART_DATA")
    if not folder:
        pytest.skip("HEADSTART_DATA names no folder of real data")
    return Path(folder)
