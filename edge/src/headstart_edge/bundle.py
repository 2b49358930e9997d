"""The bundle: what the server sends once. Nothing of it is used before all of it is checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart_edge import tensors
from headstart_edge.errors import EdgeError
from headstart_edge.hashing import sha256
from headstart_edge.tensors import Array

FORMAT, VERSION = "headstart-bundle", 1
FILES = ("backbone.onnx", "backbone-int8.onnx", "head.safetensors", "settings.json")
NEEDED = ("head.safetensors", "settings.json")
LARGEST_JSON = 2**16
CHUNK = 2**16


@dataclass(frozen=True)
class Bundle:
    """A bundle that has been checked.

    Attributes:
        folder: where it lies.
        key: hash of its manifest; a device's state belongs to one manifest.
        settings: what ``settings.json`` says.
        weight: of the pre-trained head, ``(classes, features)`` float32.
        bias: ``(classes,)`` float32.
    """

    folder: Path
    key: str
    settings: dict[str, Any]
    weight: Array
    bias: Array

    @property
    def labels(self) -> list[str]:
        """Class names, in the order of the head's outputs."""
        return list(self.settings["labels"])

    @property
    def backbone(self) -> Path:
        """The network that turns an input into features."""
        return self.folder / str(self.settings["backbone"])


def open_bundle(folder: Path | str, public_key: bytes | None = None) -> Bundle:
    """Check a bundle and read its head and its settings.

    Args:
        folder: the bundle.
        public_key: 32 bytes of Ed25519; a bundle that this key did not sign is refused.

    Raises:
        EdgeError: a file is missing, changed, or not what the format allows.
    """
    folder = Path(folder)
    raw = _read_small(folder / "manifest.json")
    if public_key is not None:
        _check_signature(folder, raw, public_key)
    manifest = _json(raw, "manifest.json")
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise EdgeError(
            f"manifest.json: must be of the format '{FORMAT}' {VERSION}, received {manifest.get('format')!r} "
            f"{manifest.get('version')!r}; export the bundle again, or update headstart-edge"
        )
    for name, entry in _entries(manifest).items():
        _check_file(folder, name, entry)
    settings = _settings(_json(_read_small(folder / "settings.json"), "settings.json"), manifest["files"])
    weight, bias = _head(folder, settings)
    return Bundle(folder, sha256(raw).hexdigest(), settings, weight, bias)


def _entries(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the files that a manifest lists; any name that the format does not know is refused, paths among them."""
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise EdgeError("manifest.json: must list the bundle's files, received none; export the bundle again")
    for name in files:
        if name not in FILES:
            raise EdgeError(f"manifest.json: may list only {', '.join(FILES)}, received {name!r}; refused")
    for name in NEEDED:
        if name not in files:
            raise EdgeError(f"manifest.json: must list '{name}', received none; export the bundle again")
    return files


def _check_file(folder: Path, name: str, entry: Any) -> None:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise EdgeError(f"{name}: must be a file of the bundle, received none; copy the bundle again")
    digest, size = sha256(), path.stat().st_size
    wanted = (entry.get("sha256"), entry.get("bytes")) if isinstance(entry, dict) else (None, None)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if (digest.hexdigest(), size) != wanted:
        raise EdgeError(
            f"{name}: must be the file that the manifest lists ({wanted[1]} bytes, SHA-256 {str(wanted[0])[:12]}…), "
            f"received another ({size} bytes, {digest.hexdigest()[:12]}…); copy the bundle again"
        )


def _check_signature(folder: Path, manifest: bytes, public_key: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise EdgeError("key: 'cryptography' is not installed; pip install cryptography") from None
    path = folder / "manifest.sig"
    if not path.is_file():
        raise EdgeError(
            "manifest.sig: must be there, for a key was given; received none: sign the bundle when you export it"
        )
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(path.read_bytes()[:65], manifest)
    except (InvalidSignature, ValueError):
        raise EdgeError("manifest.sig: must be made with the key given, received another signature; refused") from None


def _settings(settings: dict[str, Any], files: dict[str, Any]) -> dict[str, Any]:
    labels, backbone = settings.get("labels"), settings.get("backbone")
    if not isinstance(labels, list) or len(labels) < 2:
        raise EdgeError(f"settings.json: labels must be at least 2 names, received {labels!r}; export the bundle again")
    if backbone not in files or not str(backbone).endswith(".onnx"):
        raise EdgeError(f"settings.json: backbone must be one of the bundle's, received {backbone!r}; export it again")
    return settings


def _head(folder: Path, settings: dict[str, Any]) -> tuple[Array, Array]:
    found, _ = tensors.read(folder / "head.safetensors")
    shapes = {name: value.shape for name, value in found.items()}
    classes, features = len(settings["labels"]), settings.get("num_features")
    if shapes != {"head.weight": (classes, features), "head.bias": (classes,)}:
        raise EdgeError(
            f"head.safetensors: must be a head of {classes} classes and {features} features, received {shapes}; "
            "export the bundle again"
        )
    return found["head.weight"].astype("float32"), found["head.bias"].astype("float32")


def _read_small(path: Path) -> bytes:
    if not path.is_file():
        raise EdgeError(f"{path.name}: must be in the bundle '{path.parent}', received none; check the folder")
    if path.stat().st_size > LARGEST_JSON:
        raise EdgeError(f"{path.name}: must be at most {LARGEST_JSON} bytes, received {path.stat().st_size}; refused")
    return path.read_bytes()


def _json(raw: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise EdgeError(f"{name}: must be JSON, received something else ({error}); copy the bundle again") from None
    if not isinstance(value, dict):
        raise EdgeError(f"{name}: must be a table, received {type(value).__name__}; export the bundle again")
    return value
