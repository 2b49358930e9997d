from __future__ import annotations

from typing import Any

import pytest

from headstart.core.errors import SettingError
from headstart.costs.devices import DeviceProfile, parse_device


def test_all_settings() -> None:
    table = {"memory": "2 GB", "storage": "1 GB", "uplink": "none", "downlink": "8 Mbit/s"}
    assert parse_device("clinic", table) == DeviceProfile("clinic", 2_000_000_000, 1_000_000_000, 0.0, 1_000_000.0)


def test_nothing_said_means_no_limit() -> None:
    assert parse_device("clinic", {}) == DeviceProfile("clinic", None, None, None, None)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"memry": "2 GB"}, ["devices.clinic.memry", "did you mean 'memory'", "'2 GB'"]),
        ({"memory": 2}, ["devices.clinic.memory", "unit", "received 2", '"2 MB"']),
        ({"memory": "none"}, ["devices.clinic.memory", "size", "'none'", "'2 GB'"]),
        ({"uplink": "fast"}, ["devices.clinic.uplink", "rate", "'fast'", "'none'"]),
    ],
)
def test_errors_name_setting_rule_value_and_way_out(table: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingError) as caught:
        parse_device("clinic", table)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []
