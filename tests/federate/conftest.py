import os
import warnings

import pytest

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

# Flower's own imports use what its dependencies have deprecated.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app
    import flwr.serverapp.strategy  # noqa: F401
    from flwr.supercore.task_identity import TaskIdentity


@pytest.fixture(autouse=True)
def _server_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower names the server in every message; outside a deployment nobody has told it who that is."""
    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
