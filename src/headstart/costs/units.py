"""Sizes, rates, speeds and energies with units, read and written.

Units are decimal, as data sheets and networks give them: 1 kB = 1000 bytes, 1 Mbit/s = 10^6 bits a second.
Binary units (KiB, MiB, GiB) are read too.
"""

from __future__ import annotations

import re

from headstart.core.errors import SettingError
from headstart.core.units import BYTES, scaled

_SIZES = {
    "B": 1,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_BITS = {"bit": 1 / 8, "kbit": 1e3 / 8, "Mbit": 1e6 / 8, "Gbit": 1e9 / 8}
_RATES = {f"{unit}/s": factor for unit, factor in {**_SIZES, **_BITS}.items()}
_SPEEDS = {"FLOP/s": 1.0, "kFLOP/s": 1e3, "MFLOP/s": 1e6, "GFLOP/s": 1e9, "TFLOP/s": 1e12}
_ENERGIES = {"pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6, "mJ": 1e-3, "J": 1.0}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+(?:/s)?)")


def parse_bytes(setting: str, text: str) -> int:
    """Read a size such as ``2 GB`` as bytes.

    Raises:
        SettingError: not a positive number with a unit of size; ``setting`` is named.

    >>> parse_bytes("memory", "1.5 kB")
    1500
    """
    return round(_parse(setting, text, _SIZES, "a size", "'2 GB', '512 MB' or '64 kB'"))


def parse_rate(setting: str, text: str) -> float:
    """Read a rate such as ``1 Mbit/s`` as bytes per second.

    Raises:
        SettingError: not a positive number with a unit of rate; ``setting`` is named.

    >>> parse_rate("uplink", "1 Mbit/s")
    125000.0
    """
    return float(_parse(setting, text, _RATES, "a rate", "'1 Mbit/s', '250 kB/s' or 'none'"))


def parse_speed(setting: str, text: str) -> float:
    """Read a speed such as ``12 GFLOP/s`` as floating-point operations per second.

    Raises:
        SettingError: not a positive number with a unit of speed; ``setting`` is named.

    >>> parse_speed("compute", "0.5 GFLOP/s")
    500000000.0
    """
    return float(_parse(setting, text, _SPEEDS, "a speed", "'12 GFLOP/s' or '500 MFLOP/s'"))


def parse_energy(setting: str, text: str) -> float:
    """Read an energy such as ``0.6 nJ`` as joules.

    Raises:
        SettingError: not a positive number with a unit of energy; ``setting`` is named.

    >>> parse_energy("energy_per_byte", "2 uJ")
    2e-06
    """
    return float(_parse(setting, text, _ENERGIES, "an energy", "'0.6 nJ', '20 pJ' or '2 uJ'"))


def show_bytes(size: float) -> str:
    """Write a size with three significant digits.

    >>> show_bytes(44_700_000), show_bytes(999)
    ('44.7 MB', '999 B')
    """
    number, unit = scaled(size, BYTES)
    return f"{number:.3g} {unit}"


def _parse(setting: str, text: str, units: dict[str, float], rule: str, examples: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    known = {unit.lower(): factor for unit, factor in units.items()}
    factor = known.get(match[2].lower(), 0.0) if match else 0.0
    value = float(match[1]) * factor if match else 0.0
    if value <= 0:
        raise SettingError(f"{setting}: must be {rule} with a unit, received {text!r}; write it as {examples}")
    return value
