"""Every arm on every kind of device: whether it fits, what it takes, and what would make it fit."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.core.plain import finite
from headstart.report.run import Json, Run


@dataclass(frozen=True)
class DeviceArm:
    """One arm on one device, as modelled; None where the device's profile does not say enough."""

    name: str
    misfits: tuple[str, ...]
    seconds: float | None  # of computing
    transfer: float | None  # seconds of sending and receiving
    joules: float | None
    memory: float | None  # bytes
    down: float | None  # bytes
    up: float | None  # bytes

    @property
    def fits(self) -> bool:
        """Whether the device can run it."""
        return not self.misfits


@dataclass(frozen=True)
class _DeviceTable:
    """One device and all arms, those that fit first."""

    name: str
    arms: tuple[DeviceArm, ...]

    @property
    def has_energy(self) -> bool:
        """Whether any arm's energy is known."""
        return any(arm.joules is not None for arm in self.arms)


def device_tables(run: Run) -> tuple[_DeviceTable, ...]:
    """One table per device of the study, in its order."""
    return tuple(_table(name, arms) for name, arms in run.devices.items())


def _table(name: str, arms: Json) -> _DeviceTable:
    found = [_arm(arm, facts) for arm, facts in arms.items()]
    return _DeviceTable(name, tuple(sorted(found, key=lambda arm: not arm.fits)))


def _arm(name: str, facts: Json) -> DeviceArm:
    return DeviceArm(
        name=name,
        misfits=tuple(map(str, facts.get("misfits") or ())),
        seconds=finite(facts.get("compute_seconds")),
        transfer=finite(facts.get("transfer_seconds")),
        joules=finite(facts.get("joules")),
        memory=finite(facts.get("memory")),
        down=finite(facts.get("down")),
        up=finite(facts.get("up")),
    )
