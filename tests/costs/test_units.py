from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.errors import SettingError
from headstart.costs.units import parse_bytes, parse_rate, show_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2 GB", 2_000_000_000),
        ("512 MB", 512_000_000),
        ("64 kB", 64_000),
        ("64kb", 64_000),
        ("1.5 MiB", 1_572_864),
        ("7 B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes("memory", text) == size


@pytest.mark.parametrize(("text", "rate"), [("1 Mbit/s", 125_000), ("250 kB/s", 250_000), ("8 bit/s", 1)])
def test_rates(text: str, rate: float) -> None:
    assert parse_rate("uplink", text) == rate


@pytest.mark.parametrize(
    "text", ["2", "GB", "", "-2 GB", "0 GB", "2 GigaBytes", "2 GB/s", "2 3 GB", "nan GB", "1 Mbit"]
)
def test_bad_sizes_are_named(text: str) -> None:
    with pytest.raises(
        SettingError, match=r"^devices.clinic.memory: must be a size with a unit, received .*; write it as"
    ):
        parse_bytes("devices.clinic.memory", text)


def test_a_size_is_not_a_rate() -> None:
    with pytest.raises(SettingError, match=r"^uplink: must be a rate with a unit, received '1 MB'"):
        parse_rate("uplink", "1 MB")


@given(st.integers(1, 10**14))
def test_showing_and_reading_agree_to_three_digits(size: int) -> None:
    assert parse_bytes("memory", show_bytes(size)) == pytest.approx(size, rel=0.006)
