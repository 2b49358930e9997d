"""The gate: arms that a device cannot run are ruled out before anything trains, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.costs.arm import ArmCosts
from headstart.costs.devices import DeviceProfile
from headstart.costs.units import show_bytes


def rule_out(
    costs: Mapping[str, ArmCosts],
    devices: Sequence[DeviceProfile],
    reference: frozenset[str] = frozenset({"pooled"}),
) -> dict[str, str]:
    """Return the arms that some device cannot run, each with the reason and what would make it fit.

    Args:
        costs: per arm.
        devices: every kind of device among the clients; an arm must run on all of them.
        reference: arms that no client is meant to run; they stay as yardsticks.

    >>> fedavg = ArmCosts(10, 10, 200, 5, 1_000_000, rounds=2)
    >>> rule_out({"fedavg": fedavg}, [DeviceProfile("clinic", uplink=0.0)])["fedavg"]
    "device 'clinic' has no uplink, and this arm uploads 10 B per client; arms without ... upload nothing"
    """
    reasons = {}
    for arm, cost in costs.items():
        found = [reason for device in devices for reason in misfits(cost, device)]
        if found and arm not in reference:
            reasons[arm] = "; and ".join(found)
    return reasons


def misfits(cost: ArmCosts, device: DeviceProfile) -> list[str]:
    """Return why a device cannot run an arm, and what would make it fit; empty where it can."""
    in_rounds = cost.download_bytes - cost.weights_bytes
    found = []
    if device.uplink == 0 and cost.upload_bytes:
        found.append(
            f"device '{device.name}' has no uplink, and this arm uploads {show_bytes(cost.upload_bytes)} per "
            "client; arms without a federate stage upload nothing"
        )
    if device.downlink == 0 and in_rounds:
        found.append(
            f"device '{device.name}' has no downlink, and this arm downloads {show_bytes(in_rounds)} per "
            "client beyond weights installed beforehand; arms without a federate stage download nothing more"
        )
    if device.memory is not None and cost.peak_memory_bytes > device.memory:
        found.append(
            _too_little("memory", cost.peak_memory_bytes, device.memory, device.name)
            + "a smaller batch_size, fewer trainable blocks, a smaller image or a smaller backbone"
        )
    if device.storage is not None and cost.storage_bytes > device.storage:
        found.append(_too_little("storage", cost.storage_bytes, device.storage, device.name) + "a smaller backbone")
    return found


def _too_little(what: str, need: int, have: int, device: str) -> str:
    return (
        f"needs {show_bytes(need)} of {what}, and device '{device}' has {show_bytes(have)}; it would fit "
        f"with {show_bytes(need - have)} more, or with "
    )
