"""Settings of a run and of a node come through Flower as they were given; what does not fit is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import SettingError
from headstart.sites.flower.programs import Link
from headstart.sites.settings import NodeSettings, RunSettings
from headstart.sites.wire import read

config: Any = pytest.importorskip("flwr.common.config")
RUN = RunSettings(study="a study.toml", arm="fedavg", seed=3, out="out", timeout=60, secure=True, noise=1.0)
NODE = NodeSettings(name="north", data="/data/north west.parquet", state="state", policy="metrics", masked=True)


@pytest.fixture
def link(tmp_path: Path) -> Link:
    return Link("127.0.0.1:8000", tmp_path / "keys", tmp_path / "flower")


def _parsed(command: list[str], option: str) -> str:
    """Return what Flower makes of an option of a command, as JSON."""
    return json.dumps(config.parse_config_args([command[command.index(option) + 1]]))


def test_a_runs_settings_come_through_flower(link: Link, tmp_path: Path) -> None:
    assert read(RunSettings, _parsed(link.run(tmp_path, RUN), "--run-config"), "run-config") == RUN


def test_a_nodes_settings_come_through_flower(link: Link) -> None:
    assert read(NodeSettings, _parsed(link.supernode(NODE), "--node-config"), "node") == NODE


@pytest.mark.parametrize(
    ("kind", "said", "error"),
    [
        (RunSettings, {"timeuot": 3}, "run-config: field 'timeuot' is unknown"),
        (RunSettings, {"sites": 2.5}, "run-config: field 'sites' must be a valid integer, received 2.5"),
        (RunSettings, {"secure": "yes"}, "run-config: field 'secure' must be a valid boolean, received 'yes'"),
        (RunSettings, {"enough": 2}, "run-config: field 'enough' must be less than or equal to 1, received 2"),
        (NodeSettings, {"name": "north", "data": "x"}, "run-config: field 'state' is missing"),
        (NodeSettings, {"name": "n", "data": "x", "state": "y", "plicy": "none"}, "field 'plicy' is unknown"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind: type, said: dict[str, Any], error: str) -> None:
    with pytest.raises(SettingError, match=error):
        read(kind, json.dumps(said), "run-config", SettingError)
