import os
from pathlib import Path

import pytest


@pytest.fixture
def image_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of decoded images, in a cache of this test's own."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = os.environ.get("HEADSTART_DATA")
    if not folder:
        pytest.skip("HEADSTART_DATA names no folder of real data")
    return Path(folder)
