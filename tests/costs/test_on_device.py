from __future__ import annotations

import dataclasses
import re

import pytest

from headstart.core.errors import SettingError
from headstart.costs import ArmCosts, DeviceProfile, on_device, parse_device, transfer_seconds
from headstart.costs.device_classes import CLASSES
from headstart.costs.devices import READERS

COST = ArmCosts(8_000, 20_000, 140_000, 4_000_000, 20_000_000, rounds=5, storage_bytes=4_000)
"""An arm that sends 20 kB and receives 8."""


def test_transfers_take_bytes_over_rates() -> None:
    assert transfer_seconds(COST, DeviceProfile("clinic", uplink=1000.0, downlink=4000.0)) == 22.0


def test_an_unknown_rate_is_no_time_of_zero() -> None:
    assert transfer_seconds(COST, DeviceProfile("clinic", uplink=1000.0)) is None
    assert transfer_seconds(dataclasses.replace(COST, upload_bytes=0), DeviceProfile("pi", downlink=8000.0)) == 1.0


def test_energy_is_that_of_operations_and_bytes() -> None:
    device = DeviceProfile("pi", energy_per_flop=1e-9, energy_per_byte=1e-6)
    assert on_device(COST, device).joules == pytest.approx(0.004 + 0.028)
    assert on_device(COST, DeviceProfile("pi")).joules is None


def test_what_does_not_fit_says_what_would_make_it() -> None:
    found = on_device(COST, DeviceProfile("esp32", memory=520_000, uplink=0.0))
    assert len(found.misfits) == 2
    assert "19.5 MB more" in found.misfits[1]


@pytest.mark.parametrize("name", CLASSES)
def test_every_number_of_a_class_has_its_source(name: str) -> None:
    one = CLASSES[name]
    assert set(one.settings) == set(one.sources) <= set(READERS)
    assert not [source for source in one.sources.values() if not re.search(r"https://\S+$", source)]
    assert parse_device("pi", {"class": name}).memory


def test_a_study_s_own_numbers_go_first() -> None:
    found = parse_device("pi", {"class": "raspberry-pi-4", "memory": "1 GB", "uplink": "none"})
    assert (found.memory, found.uplink, found.compute) == (1_000_000_000, 0.0, 11.9e9)


def test_an_unknown_class_names_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"devices.pi.class: .*'rasperry-pi-4'; did you mean 'raspberry-pi-4'"):
        parse_device("pi", {"class": "rasperry-pi-4"})


@pytest.mark.parametrize(("key", "value"), [("compute", "12 GHz"), ("energy_per_flop", "2 W")])
def test_a_wrong_unit_is_named(key: str, value: str) -> None:
    with pytest.raises(SettingError, match=rf"devices.pi.{key}: .*'{value}'"):
        parse_device("pi", {key: value})
