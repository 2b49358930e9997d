"""Device profiles: what a client's machine can hold and send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headstart.core.errors import SettingError, nearest
from headstart.costs.units import parse_bytes, parse_rate


@dataclass(frozen=True)
class DeviceProfile:
    """One kind of device; None means without limit.

    Attributes:
        name: as in the study file.
        memory: bytes free for training.
        storage: bytes free on disk for the model's weights.
        uplink: bytes per second towards the server; 0 when nothing may be sent.
        downlink: bytes per second from the server; 0 when the model is installed by hand.
    """

    name: str
    memory: int | None = None
    storage: int | None = None
    uplink: float | None = None
    downlink: float | None = None


def parse_device(name: str, table: Mapping[str, str]) -> DeviceProfile:
    """Read one ``[devices.NAME]`` table of quantities with units.

    Raises:
        SettingError: a key is unknown or a quantity cannot be read.

    >>> parse_device("clinic", {"memory": "2 GB", "uplink": "none"})
    DeviceProfile(name='clinic', memory=2000000000, storage=None, uplink=0.0, downlink=None)
    """
    readers = {"memory": parse_bytes, "storage": parse_bytes, "uplink": _parse_link, "downlink": _parse_link}
    values = {}
    for key, text in table.items():
        setting = f"devices.{name}.{key}"
        if key not in readers:
            raise SettingError(f"{setting}: unknown setting, received {text!r}; {nearest(key, readers)}")
        if not isinstance(text, str):
            raise SettingError(f'{setting}: must be text with a unit, received {text!r}; write it as "{text} MB"')
        values[key] = readers[key](setting, text)
    return DeviceProfile(name, **values)  # type: ignore[arg-type]


def _parse_link(setting: str, text: str) -> float:
    return 0.0 if text.strip().lower() == "none" else parse_rate(setting, text)
