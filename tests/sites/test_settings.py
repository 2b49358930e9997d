"""Settings of a run and of a node that do not fit are refused."""

import json
from typing import Any

import pytest

from headstart.core.errors import SettingError
from headstart.sites.settings import NodeSettings, RunSettings
from headstart.sites.wire import read


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
