"""What a device has learnt: nobody plants it a head, and nothing that it writes goes elsewhere."""

import os
from pathlib import Path

import numpy as np
import pytest

from handmade import CLASSES, WIDTH, write_data
from headstart_edge import EdgeError, evaluate, finetune, load_state, open_bundle, open_data, reset, tensors
from headstart_edge.state import FILE


def plant(bundle: Path, **facts: str) -> Path:
    """Write a state that belongs to the bundle by its manifest, as anybody can who has the bundle."""
    head = {"head.weight": np.full((len(CLASSES), WIDTH), 9, np.float32), "head.bias": np.zeros(3, np.float32)}
    (bundle / "state").mkdir(exist_ok=True)
    tensors.write(bundle / "state" / FILE, head, {"manifest": open_bundle(bundle).key, **facts})
    return bundle / "state" / FILE


@pytest.mark.parametrize("has_key", [False, True])
def test_a_planted_head_is_refused_and_reset_mends_it(bundle: Path, tmp_path: Path, has_key: bool) -> None:
    opened, data = open_bundle(bundle), open_data(write_data(tmp_path / "data", 60), open_bundle(bundle))
    before = evaluate(opened, data)
    if has_key:
        finetune(opened, data)
    plant(bundle, seal="0" * 64, examples="1000")
    for use in (lambda: evaluate(opened, data), lambda: finetune(opened, data), lambda: load_state(opened)):
        with pytest.raises(
            EdgeError, match=r"^adapted\.safetensors: must be what this device has learnt, received one"
        ):
            use()
    assert reset(opened)
    assert evaluate(opened, data) == before


@pytest.mark.parametrize("name", ["unfinished.safetensors", FILE])
@pytest.mark.parametrize("place", np.linspace(0, 1, 12, endpoint=False).round(2))
def test_a_state_with_a_flipped_bit_is_refused(bundle: Path, tmp_path: Path, name: str, place: float) -> None:
    opened = open_bundle(bundle)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    path = bundle / "state" / name
    raw = bytearray((bundle / "state" / FILE).read_bytes())
    raw[int(place * len(raw))] ^= 1
    path.write_bytes(raw)
    with pytest.raises(EdgeError, match=rf"^{name}: must be"):
        load_state(opened, name=name)


def test_another_devices_state_is_refused(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_bundle(bundle)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    assert load_state(opened) is not None
    (tmp_path / "device" / "device.key").unlink()
    finetune(opened, open_data(tmp_path / "data", opened), state=tmp_path / "elsewhere")
    with pytest.raises(EdgeError, match="received one without its seal"):
        load_state(opened)


def test_the_key_is_the_users_alone(bundle: Path, tmp_path: Path, device: Path) -> None:
    opened = open_bundle(bundle)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    key = device / "device.key"
    assert (key.stat().st_mode & 0o777, device.stat().st_mode & 0o777, key.stat().st_size) == (0o600, 0o700, 32)
    key.chmod(0o644)
    with pytest.raises(EdgeError, match=r"^device key: must be a file of 32 bytes that this user alone may read"):
        load_state(opened)
    key.chmod(0o600)
    key.rename(device / "real")
    key.symlink_to(device / "real")
    with pytest.raises(EdgeError, match="device key: "):
        load_state(opened)
    key.unlink()
    key.write_bytes(b"short")
    with pytest.raises(EdgeError, match="device key: "):
        load_state(opened)


def test_a_huge_state_is_not_read(bundle: Path) -> None:
    with plant(bundle).open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(EdgeError, match=r"must be at most \d+ bytes, received 1099511627776; refused"):
        load_state(open_bundle(bundle))


def test_links_where_the_device_writes_are_not_followed(bundle: Path, tmp_path: Path) -> None:
    opened, victim = open_bundle(bundle), tmp_path / "victim"
    victim.write_text("mine")
    (bundle / "state").mkdir()
    for name in (f".{FILE}.{os.getpid()}.tmp", f".features.{os.getpid()}", FILE):
        (bundle / "state" / name).symlink_to(victim)
    with pytest.raises(EdgeError, match=r"^adapted\.safetensors: must be what this device has learnt, received a link"):
        load_state(opened)
    assert reset(opened)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    assert victim.read_text() == "mine"
