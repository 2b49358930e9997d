"""Safetensors files in NumPy: read with every length checked, written at once or not at all."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart_edge.errors import EdgeError
from headstart_edge.words import visible

Array = np.ndarray[Any, Any]
Tensors = dict[str, Array]

LARGEST_HEADER = 2**20
TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, struct.error)
NAMES = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64", np.dtype(np.int64): "I64"}


def read(raw: bytes, name: str) -> tuple[Tensors, dict[str, str]]:
    """Read tensors and metadata.

    Args:
        raw: a file.
        name: of the file.

    Raises:
        EdgeError: the file is not whole, or its header lies about what follows.
    """
    try:
        return _parse(raw)
    except _BROKEN as error:
        reason = visible(str(error))[:200]
        raise EdgeError(
            f"{name}: must be a whole safetensors file, received one that is not ({reason}); copy it again"
        ) from None


def _parse(raw: bytes) -> tuple[Tensors, dict[str, str]]:
    (length,) = struct.unpack("<Q", raw[:8])
    if length > min(LARGEST_HEADER, len(raw) - 8):
        raise ValueError(f"a header of {length} bytes in a file of {len(raw)}")
    header, data = json.loads(raw[8 : 8 + length]), memoryview(raw)[8 + length :]
    metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
    # Each byte once: entries that share bytes would make more of a file than it holds.
    told = sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values())
    if told != len(data):
        raise ValueError(f"{told} bytes of tensors in {len(data)}")
    return {name: _tensor(entry, data) for name, entry in header.items()}, metadata


def _tensor(entry: Mapping[str, Any], data: memoryview) -> Array:
    kind, shape, (begin, end) = TYPES[entry["dtype"]], tuple(map(int, entry["shape"])), entry["data_offsets"]
    count = math.prod(shape)
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= len(data) or end - begin != count * kind.itemsize:
        raise ValueError(f"{end - begin} bytes for a tensor of shape {shape}")
    return np.frombuffer(data[begin:end], dtype=kind).reshape(shape).copy()


def write(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata; a power cut leaves the old file or the new one.

    Raises:
        EdgeError: the disk is full, or the folder cannot be written.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts: list[bytes] = []
    start = 0
    for name, value in tensors.items():
        part = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": NAMES[value.dtype], "shape": value.shape, "data_offsets": [start, start + len(part)]}
        parts, start = [*parts, part], start + len(part)
    text = json.dumps(header).encode()
    _write_atomically(path, [struct.pack("<Q", len(text)), text, *parts])


def _write_atomically(path: Path, parts: list[bytes]) -> None:
    """Write a file beside its place, bring it to the disk, then give it its name.

    Raises:
        EdgeError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        # A link of this name, put there by somebody, is not followed.
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise EdgeError(
            f"state: must be a folder that can be written, received '{path.parent}' ({error.strerror}); free some "
            "room, or name another folder with --state"
        ) from None
    finally:
        _remove(temporary)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
