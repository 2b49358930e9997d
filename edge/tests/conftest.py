from pathlib import Path

import pytest

from handmade import make_bundle
from headstart_edge.device import HOME


@pytest.fixture(autouse=True)
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the device's key: each test has a device of its own."""
    monkeypatch.setenv(HOME, str(tmp_path / "device"))
    return tmp_path / "device"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")
