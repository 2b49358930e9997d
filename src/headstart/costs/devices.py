"""Device profiles: what a client's machine can hold, compute and send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from headstart.core.errors import SettingError, nearest
from headstart.core.settings import Says, read, unknown
from headstart.costs.device_classes import CLASSES
from headstart.costs.units import parse_bytes, parse_energy, parse_rate, parse_speed


@dataclass(frozen=True)
class DeviceProfile:
    """One kind of device; None means without limit, or unknown.

    Attributes:
        name: as in the study file.
        memory: bytes free for training.
        storage: bytes free on disk for the model's weights.
        uplink: bytes per second towards the server; 0 when nothing may be sent.
        downlink: bytes per second from the server; 0 when the model is installed by hand.
        compute: floating-point operations per second.
        energy_per_flop: joules per floating-point operation.
        energy_per_byte: joules per byte sent or received.
    """

    name: str
    memory: int | None = None
    storage: int | None = None
    uplink: float | None = None
    downlink: float | None = None
    compute: float | None = None
    energy_per_flop: float | None = None
    energy_per_byte: float | None = None


def _parse_link(setting: str, text: str) -> float:
    return 0.0 if text.strip().lower() == "none" else parse_rate(setting, text)


READERS: Mapping[str, Callable[[str, str], float]] = {
    "memory": parse_bytes,
    "storage": parse_bytes,
    "uplink": _parse_link,
    "downlink": _parse_link,
    "compute": parse_speed,
    "energy_per_flop": parse_energy,
    "energy_per_byte": parse_energy,
}
"""How each quantity of a device is read."""

_Quantity = Annotated[str, Says("must be text with a unit", 'write it as "{} MB"', of_type=True)]


def parse_device(name: str, table: Mapping[str, object]) -> DeviceProfile:
    """Read one ``[devices.NAME]`` table of quantities with units; its own go before those of its class.

    Raises:
        SettingError: a key or the class is unknown, or a quantity cannot be read.

    >>> parse_device("clinic", {"memory": "2 GB", "uplink": "none"}).memory
    2000000000
    >>> parse_device("pi", {"class": "raspberry-pi-4", "memory": "1 GB"}).compute
    11900000000.0
    """
    path = f"devices.{name}"
    own = read(dict[str, _Quantity], table, path)
    for key in own.keys() - {"class", *READERS}:
        raise SettingError(unknown(f"{path}.{key}", own[key], ("class", *READERS)))
    quantities = {key: text for key, text in {**_of_class(name, own), **own}.items() if key != "class"}
    values = {key: READERS[key](f"{path}.{key}", text) for key, text in quantities.items()}
    return DeviceProfile(name, **values)  # type: ignore[arg-type]


def _of_class(name: str, table: Mapping[str, str]) -> Mapping[str, str]:
    wanted = table.get("class")
    if wanted is None:
        return {}
    if wanted not in CLASSES:
        hint = nearest(str(wanted), CLASSES)
        raise SettingError(f"devices.{name}.class: must be a known class, received {wanted!r}; {hint}")
    return CLASSES[wanted].settings
