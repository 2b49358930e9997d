"""An arm on a device, modelled: whether it fits, how long it takes, the energy it costs.

Time is operations over speed, then bytes over rate, one after the other; energy is so much per operation and per
byte. Waiting, starting up and the processor's idle draw do not count.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from headstart.costs.arm import ArmCosts
from headstart.costs.devices import DeviceProfile
from headstart.costs.gate import misfits


@dataclass(frozen=True)
class OnDevice:
    """One arm on one device; None where the device's profile does not say enough.

    Attributes:
        misfits: why it does not fit, each with what would make it; empty where it fits.
        compute_seconds: of all its computing.
        transfer_seconds: of all its transfers, over links that exist and whose rate is known.
        joules: of computing and transfers, as far as both are known.
        memory: bytes that it needs at once.
        storage: bytes of weights.
        down: bytes that it receives.
        up: bytes that it sends.
    """

    misfits: tuple[str, ...]
    compute_seconds: float | None
    transfer_seconds: float | None
    joules: float | None
    memory: int
    storage: int
    down: int
    up: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a file."""
        return {**dataclasses.asdict(self), "misfits": list(self.misfits)}


def on_device(cost: ArmCosts, device: DeviceProfile) -> OnDevice:
    """Model an arm on a device.

    >>> cost = ArmCosts(1000, 0, 1000, 2_000_000, 500, rounds=0)
    >>> found = on_device(cost, DeviceProfile("pi", compute=1e6, downlink=500.0, energy_per_flop=1e-6))
    >>> found.compute_seconds, found.transfer_seconds, found.joules
    (2.0, 2.0, 2.0)
    """
    return OnDevice(
        misfits=tuple(misfits(cost, device)),
        compute_seconds=cost.client_flops / device.compute if device.compute else None,
        transfer_seconds=transfer_seconds(cost, device),
        joules=_joules(cost, device),
        memory=cost.peak_memory_bytes,
        storage=cost.storage_bytes,
        down=cost.download_bytes,
        up=cost.upload_bytes,
    )


def transfer_seconds(cost: ArmCosts, device: DeviceProfile) -> float | None:
    """Return how long a client's transfers take, one after another; None where a rate that matters is unknown.

    What a device without a link would have to send is no time but a misfit.
    """
    links = ((cost.upload_bytes, device.uplink), (cost.download_bytes, device.downlink))
    if any(size and rate is None for size, rate in links):
        return None
    return sum(size / rate for size, rate in links if rate)


def _joules(cost: ArmCosts, device: DeviceProfile) -> float | None:
    parts = (
        (cost.client_flops, device.energy_per_flop),
        (cost.upload_bytes + cost.download_bytes, device.energy_per_byte),
    )
    known = [count * each for count, each in parts if each is not None]
    return sum(known) if known else None
