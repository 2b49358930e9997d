from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test make a key in the user's own folder."""
    monkeypatch.setenv("HEADSTART_EDGE_HOME", str(tmp_path / "device"))
