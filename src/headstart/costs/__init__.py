"""What an arm costs a client, measured by a dry run: bytes, FLOPs, memory; and which devices it rules out."""

from headstart.costs.arm import ArmCosts, Population, arm_costs
from headstart.costs.communication import Communication, communication
from headstart.costs.devices import DeviceProfile, parse_device
from headstart.costs.gate import rule_out
from headstart.costs.on_device import OnDevice, on_device, transfer_seconds

__all__ = [
    "ArmCosts",
    "Communication",
    "DeviceProfile",
    "OnDevice",
    "Population",
    "arm_costs",
    "communication",
    "on_device",
    "parse_device",
    "rule_out",
    "transfer_seconds",
]
