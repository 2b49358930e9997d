import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from handmade import seal
from headstart_edge import EdgeError, open_bundle, tensors
from headstart_edge.features import open_backbone


def test_a_bundle_opens(bundle: Path) -> None:
    found = open_bundle(bundle)
    assert (found.labels, found.weight.shape) == (["cat", "dog", "bird"], (3, 12))


@pytest.mark.parametrize("name", ["backbone.onnx", "head.safetensors", "settings.json"])
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_flipped_bit_is_refused(bundle: Path, name: str, place: float) -> None:
    raw = bytearray((bundle / name).read_bytes())
    raw[int(place * (len(raw) - 1))] ^= 1
    (bundle / name).write_bytes(raw)
    with pytest.raises(EdgeError, match=rf"{name}: must be the file that the manifest lists"):
        open_bundle(bundle)


@pytest.mark.parametrize("share", np.linspace(0, 1, 60, endpoint=False).round(3))
def test_a_flipped_bit_in_the_manifest_is_refused(bundle: Path, share: float) -> None:
    raw = bytearray((bundle / "manifest.json").read_bytes())
    raw[int(share * len(raw))] ^= 1
    (bundle / "manifest.json").write_bytes(raw)
    with pytest.raises(EdgeError):
        open_bundle(bundle)


def test_a_truncated_network_is_refused(bundle: Path) -> None:
    raw = (bundle / "backbone.onnx").read_bytes()
    (bundle / "backbone.onnx").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(EdgeError, match=r"backbone\.onnx: must be the file"):
        open_bundle(bundle)
    # Even where a forger mends the manifest, ONNX Runtime's refusal is one line.
    seal(bundle)
    with pytest.raises(EdgeError, match=r"backbone\.onnx: cannot be opened"):
        open_backbone(open_bundle(bundle))


def test_a_swapped_head_is_refused(bundle: Path, tmp_path: Path) -> None:
    tensors.write(bundle / "head.safetensors", {"head.weight": np.zeros((2, 5), np.float32)}, {})
    with pytest.raises(EdgeError, match=r"head\.safetensors: must be the file"):
        open_bundle(bundle)
    seal(bundle)
    with pytest.raises(EdgeError, match=r"must be a head of 3 classes and 12 features"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/head.safetensors", "more.bin", "..\\x"])
def test_a_path_in_the_manifest_is_refused(bundle: Path, name: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"]["head.safetensors"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EdgeError, match="may list only"):
        open_bundle(bundle)


def test_a_link_out_of_the_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / "head.safetensors", tmp_path / "elsewhere")
    (bundle / "head.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EdgeError, match=r"head\.safetensors: must be a file of the bundle"):
        open_bundle(bundle)


@pytest.mark.parametrize("length", [2**62, 2**21, 10_000])
def test_an_oversized_header_is_refused(bundle: Path, length: int) -> None:
    raw = (bundle / "head.safetensors").read_bytes()
    (bundle / "head.safetensors").write_bytes(length.to_bytes(8, "little") + raw[8:])
    seal(bundle)
    with pytest.raises(EdgeError, match=rf"whole safetensors file, received one that is not \(a header of {length}"):
        open_bundle(bundle)


def test_a_huge_manifest_is_refused(bundle: Path) -> None:
    (bundle / "manifest.json").write_text(" " * 2**17)
    with pytest.raises(EdgeError, match="must be at most 65536 bytes"):
        open_bundle(bundle)


def test_another_version_is_refused(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text()) | {"version": 2}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EdgeError, match="must be of the format 'headstart-bundle' 1, received 'headstart-bundle' 2"):
        open_bundle(bundle)


def test_a_signature_is_checked(bundle: Path) -> None:
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    with pytest.raises(EdgeError, match=r"manifest\.sig: must be there"):
        open_bundle(bundle, public)
    (bundle / "manifest.sig").write_bytes(key.sign((bundle / "manifest.json").read_bytes()))
    assert open_bundle(bundle, public).labels
    with pytest.raises(EdgeError, match="received another signature; refused"):
        open_bundle(bundle, other.public_key().public_bytes_raw())
