from __future__ import annotations

from headstart.costs import ArmCosts, DeviceProfile, rule_out

FINETUNE = ArmCosts(4000, 0, 40_000, 10, 9_000_000, rounds=0, weights_bytes=4000, storage_bytes=4000)
FEDAVG = ArmCosts(8000, 6000, 140_000, 10, 20_000_000, rounds=5, weights_bytes=0, storage_bytes=4000)
ARMS = {"finetune": FINETUNE, "fedavg": FEDAVG, "pooled": FEDAVG}


def test_no_limits_rule_nothing_out() -> None:
    assert rule_out(ARMS, [DeviceProfile("clinic")]) == {}


def test_no_uplink_rules_out_what_uploads_but_not_the_reference() -> None:
    reasons = rule_out(ARMS, [DeviceProfile("clinic", uplink=0.0)])
    assert list(reasons) == ["fedavg"]
    assert "'clinic'" in reasons["fedavg"]
    assert "6 kB" in reasons["fedavg"]


def test_no_downlink_spares_weights_installed_beforehand() -> None:
    assert list(rule_out(ARMS, [DeviceProfile("clinic", downlink=0.0)])) == ["fedavg"]


def test_too_little_memory_says_how_much_is_missing() -> None:
    reason = rule_out(ARMS, [DeviceProfile("clinic", memory=12_000_000)])["fedavg"]
    assert "needs 20 MB of memory" in reason
    assert "has 12 MB" in reason
    assert "8 MB more" in reason
    assert "batch_size" in reason


def test_memory_that_just_fits_is_enough() -> None:
    assert rule_out({"fedavg": FEDAVG}, [DeviceProfile("clinic", memory=20_000_000)]) == {}


def test_too_little_storage() -> None:
    assert "of storage" in rule_out({"finetune": FINETUNE}, [DeviceProfile("clinic", storage=3999)])["finetune"]


def test_every_device_and_every_reason_is_named() -> None:
    devices = [DeviceProfile("clinic", uplink=0.0), DeviceProfile("phone", memory=1)]
    reason = rule_out({"fedavg": FEDAVG}, devices)["fedavg"]
    assert "'clinic'" in reason
    assert "'phone'" in reason
