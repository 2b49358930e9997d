"""Weights on disk: safetensors, written atomically, with a few words of metadata; nothing is unpickled."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from headstart.core.errors import ModelError
from headstart.core.files import write_atomically
from headstart.core.limits import memory_limit
from headstart.core.trees import Params, num_bytes

_NO_PICKLES = "headstart convert FILE makes safetensors of pickled weights (.pth, .pt, .bin)"
_LENGTH = struct.Struct("<Q")
_LONGEST_HEADER = 16 * 2**20
"""Bytes; a checkpoint of 10,000 tensors has about 1.5 MB."""


def save(path: Path, params: Params, metadata: Mapping[str, str] | None = None) -> None:
    """Write a tree to a ``.safetensors`` file; a kill leaves the old file or the new one.

    Raises:
        ModelError: the path has another ending.
        DiskError: the disk does not take it.
    """
    if path.suffix != ".safetensors":
        raise ModelError(f"weights: the file must end in '.safetensors', received '{path}'; rename it")
    # A copy of their own: safetensors refuses tensors that share memory or are not contiguous.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in params.items()}
    write_atomically(path, lambda temporary: save_file(tensors, temporary, dict(metadata or {})), num_bytes(tensors))


def load(path: Path) -> tuple[Params, dict[str, str]]:
    """Read a tree and its metadata.

    Raises:
        ModelError: there is no such file, or it is not safetensors.
    """
    if not path.is_file():
        raise ModelError(f"weights: there is no file '{path}'; give a .safetensors file")
    check_header(path)
    try:
        # Copied: products of numbers that lie elsewhere in a cache line may round differently.
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(f"weights: '{path}' is not a whole safetensors file ({error}); {_NO_PICKLES}") from error


def check_header(path: Path) -> None:
    """Look at a safetensors file before a library reads it.

    Raises:
        ModelError: its header is very long, or it would not fit into memory.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size).ljust(_LENGTH.size, b"\0"))
    if length > _LONGEST_HEADER:
        raise ModelError(
            f"weights: '{path}' is not a whole safetensors file (a header of {length:,} bytes, at most "
            f"{_LONGEST_HEADER:,} are allowed); {_NO_PICKLES}"
        )
    # A file may be long and empty: its size on disk says nothing.
    if size > memory_limit():
        raise ModelError(
            f"weights: '{path}' may take at most {memory_limit() / 1e9:.3g} GB of memory here, received "
            f"{size / 1e9:.3g} GB; give a smaller model, or allow more with HEADSTART_MEMORY_GB"
        )


def check_finite(params: Params, what: str) -> None:
    """Check that every number of a tree is finite.

    Args:
        params: tensors by name; those of whole numbers are passed over.
        what: how the message names the setting and the tree.

    Raises:
        ModelError: one is NaN or infinite; the first tensor is named.
    """
    broken = [name for name, value in sorted(params.items()) if value.is_floating_point() and _broken(value)]
    if broken:
        first = params[broken[0]]
        raise ModelError(
            f"{what}: all weights must be finite, received NaN or infinity in {_broken(first)} of {first.numel()} "
            f"numbers of '{broken[0]}' ({len(broken)} of {len(params)} tensors are so); get the file anew, or give "
            "another"
        )


def _broken(value: Tensor) -> int:
    # A sum is finite only where its terms are.
    return 0 if torch.isfinite(value.sum()) else int((~torch.isfinite(value)).sum())
