"""The bundle: what the server sends once. Nothing of it is used before all of it is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart_edge import tensors
from headstart_edge.errors import EdgeError
from headstart_edge.hashing import sha256
from headstart_edge.network import check_network
from headstart_edge.reading import open_file, read_file
from headstart_edge.settings import check_settings
from headstart_edge.tensors import Array
from headstart_edge.words import visible

FORMAT, VERSION = "headstart-bundle", 1
FILES = ("backbone.onnx", "backbone-int8.onnx", "head.safetensors", "settings.json")
NEEDED = ("head.safetensors", "settings.json")
LARGEST_JSON, LARGEST_FILE = 2**16, 2**31
CHUNK = 2**16

Entry = tuple[str, int]
"""SHA-256 in hexadecimal digits, and bytes."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that has been checked.

    Attributes:
        folder: where it lies.
        key: hash of its manifest; a device's state belongs to one manifest.
        settings: what ``settings.json`` says.
        weight: of the pre-trained head, ``(classes, features)`` float32.
        bias: ``(classes,)`` float32.
        files: SHA-256 and bytes of each file of the manifest.
    """

    folder: Path
    key: str
    settings: dict[str, Any]
    weight: Array
    bias: Array
    files: Mapping[str, Entry]

    @property
    def labels(self) -> list[str]:
        """Class names, in the order of the head's outputs."""
        return list(self.settings["labels"])

    @property
    def backbone(self) -> str:
        """Name of the network that turns an input into features."""
        return str(self.settings["backbone"])

    def network(self) -> bytes:
        """Read the backbone; what is returned was compared with the manifest, and refers to no other file.

        Raises:
            EdgeError: it has changed, or would read another file.
        """
        raw = _read(self.folder, self.backbone, self.files[self.backbone], LARGEST_FILE)
        check_network(raw, self.backbone)
        return raw


def open_bundle(folder: Path | str, public_key: bytes | None = None) -> Bundle:
    """Check a bundle and read its head and its settings.

    Args:
        folder: the bundle.
        public_key: 32 bytes of Ed25519; a bundle that this key did not sign is refused.

    Raises:
        EdgeError: a file is missing, changed, a link, or not what the format allows.
    """
    folder = Path(folder)
    _check_no_links(folder)
    raw = _small(folder / "manifest.json")
    if public_key is not None:
        _check_signature(folder, raw, public_key)
    manifest = _json(raw, "manifest.json")
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise EdgeError(
            f"manifest.json: must be of the format '{FORMAT}' {VERSION}, received {manifest.get('format')!r:.80} "
            f"{manifest.get('version')!r:.80}; export the bundle again, or update headstart-edge"
        )
    files = _entries(manifest)
    for name, entry in files.items():
        if name not in NEEDED:
            _check_file(folder, name, entry)
    # What is used is what was checked: these are read once.
    settings = _json(_read(folder, "settings.json", files["settings.json"], LARGEST_JSON), "settings.json")
    check_settings(settings, files)
    head = _head(_read(folder, "head.safetensors", files["head.safetensors"], _largest(settings)), settings)
    return Bundle(folder, sha256(raw).hexdigest(), settings, *head, files)


def _check_no_links(folder: Path) -> None:
    try:
        with os.scandir(folder) as found:
            links = [item.name for item in found if item.is_symlink()]
    except OSError as error:
        raise EdgeError(
            f"bundle: must be a folder, received '{visible(str(folder))}' ({error.strerror}); check the path"
        ) from None
    if links:
        raise EdgeError(
            f"{visible(links[0])}: must be a file of the bundle, received a link; refused: delete it, and copy the "
            "bundle again"
        )


def _entries(manifest: dict[str, Any]) -> dict[str, Entry]:
    """Return the files that a manifest lists; any name that the format does not know is refused, paths among them."""
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise EdgeError("manifest.json: must list the bundle's files, received none; export the bundle again")
    for name in files:
        if name not in FILES:
            raise EdgeError(f"manifest.json: may list only {', '.join(FILES)}, received {name!r:.80}; refused")
    for name in NEEDED:
        if name not in files:
            raise EdgeError(f"manifest.json: must list '{name}', received none; export the bundle again")
    return {name: _entry(name, said) for name, said in files.items()}


def _entry(name: str, said: object) -> Entry:
    digest, size = (said.get("sha256"), said.get("bytes")) if isinstance(said, dict) else (None, None)
    if not isinstance(digest, str) or type(size) is not int or not 0 <= size <= LARGEST_FILE:
        raise EdgeError(
            f"manifest.json: must say SHA-256 and bytes (at most {LARGEST_FILE}) of '{name}', received {said!r:.80}; "
            "export the bundle again"
        )
    return digest, size


def _read(folder: Path, name: str, entry: Entry, most: int) -> bytes:
    """Read a file of a bundle, and check the bytes that are returned."""
    raw = read_file(folder / name, min(most, LARGEST_FILE), "must be a file of the bundle", "copy the bundle again")
    _compare(name, entry, (sha256(raw).hexdigest(), len(raw)))
    return raw


def _check_file(folder: Path, name: str, entry: Entry) -> None:
    """Check a file that is large, a piece at a time."""
    digest, size = sha256(), 0
    with open_file(folder / name, "must be a file of the bundle", "copy the bundle again") as file:
        while size <= entry[1] and (chunk := file.read(CHUNK)):
            digest.update(chunk)
            size += len(chunk)
    _compare(name, entry, (digest.hexdigest(), size))


def _compare(name: str, wanted: Entry, found: Entry) -> None:
    if found != wanted:
        listed = f"{wanted[1]} bytes, SHA-256 {visible(wanted[0][:12])}…"
        raise EdgeError(
            f"{name}: must be the file that the manifest lists ({listed}), "
            f"received another ({found[1]} bytes, {found[0][:12]}…); copy the bundle again"
        )


def _check_signature(folder: Path, manifest: bytes, public_key: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise EdgeError("key: 'cryptography' is not installed; pip install cryptography") from None
    signature = read_file(
        folder / "manifest.sig",
        LARGEST_JSON,
        "must be there, for a key was given",
        "sign the bundle when you export it",
    )
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, manifest)
    except (InvalidSignature, ValueError):
        raise EdgeError("manifest.sig: must be made with the key given, received another signature; refused") from None


def _largest(settings: dict[str, Any]) -> int:
    """Return the most bytes of a head: 8 a number, and a header."""
    return 2**20 + 8 * len(settings["labels"]) * (int(settings["num_features"]) + 1)


def _head(raw: bytes, settings: dict[str, Any]) -> tuple[Array, Array]:
    found, _ = tensors.read(raw, "head.safetensors")
    shapes = {name: value.shape for name, value in found.items()}
    classes, features = len(settings["labels"]), settings["num_features"]
    if shapes != {"head.weight": (classes, features), "head.bias": (classes,)}:
        raise EdgeError(
            f"head.safetensors: must be a head of {classes} classes and {features} features, received "
            f"{visible(str(shapes))[:200]}; export the bundle again"
        )
    if not all(np.isfinite(value).all() for value in found.values()):
        raise EdgeError("head.safetensors: must hold finite numbers, received others; export the bundle again")
    return found["head.weight"].astype("float32"), found["head.bias"].astype("float32")


def _small(path: Path) -> bytes:
    folder = visible(str(path.parent))
    return read_file(path, LARGEST_JSON, f"must be in the bundle '{folder}'", "check the folder")


def _json(raw: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else visible(str(error))[:120]
        raise EdgeError(f"{name}: must be JSON, received something else ({reason}); copy the bundle again") from None
    if not isinstance(value, dict):
        raise EdgeError(f"{name}: must be a table, received {type(value).__name__}; export the bundle again")
    return value
