"""What a device has learnt: one file, so that a head and what it goes on from can never be of two times."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from headstart_edge import tensors
from headstart_edge.bundle import Bundle
from headstart_edge.device import make_key, read_key, seal_of
from headstart_edge.errors import EdgeError
from headstart_edge.reading import read_file
from headstart_edge.tensors import Tensors

FILE, UNFINISHED = "adapted.safetensors", "unfinished.safetensors"
HEAD = ("head.weight", "head.bias")
_RULE = "must be what this device has learnt"
_WAY_OUT = "run 'headstart-edge reset' and fine-tune again"


@dataclass(frozen=True)
class State:
    """What fine-tuning has come to.

    Attributes:
        head: what the device predicts with.
        others: sums of ridge, or what an optimiser remembers.
        facts: words about it: examples seen, scores before and after, whether the head was accepted.
    """

    head: Tensors
    others: Tensors = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


def folder_of(bundle: Bundle, folder: Path | str | None = None) -> Path:
    """Return where a device keeps its state: beside the bundle's files, unless another folder is named."""
    return Path(folder) if folder else bundle.folder / "state"


def load_state(bundle: Bundle, folder: Path | str | None = None, name: str = FILE) -> State | None:
    """Read the state that belongs to this bundle; None where there is none.

    Raises:
        EdgeError: the file is broken, this device did not write it, or its head has another shape than the bundle's.
    """
    path = folder_of(bundle, folder) / name
    if not os.path.lexists(path):
        return None
    found, facts = tensors.read(read_file(path, _largest(bundle), _RULE, _WAY_OUT), path.name)
    key, seal = read_key(), facts.pop("seal", "")
    if key is None or seal != seal_of(key, found, facts):
        raise EdgeError(f"{path.name}: {_RULE}, received one without its seal; {_WAY_OUT}")
    if facts.get("manifest") != bundle.key:
        return None
    head = {part: found[part] for part in HEAD if part in found}
    if {part: value.shape for part, value in head.items()} != {
        "head.weight": bundle.weight.shape,
        "head.bias": bundle.bias.shape,
    }:
        raise EdgeError(f"{path.name}: must hold a head of the bundle's shape, received another; {_WAY_OUT}")
    return State(head, {part: value for part, value in found.items() if part not in HEAD}, facts)


def save_state(bundle: Bundle, state: State, folder: Path | str | None = None, name: str = FILE) -> None:
    """Write a state, all of it at once, sealed with the device's key.

    Raises:
        EdgeError: there is no room, or the folder or the key cannot be written.
    """
    facts, values = {**state.facts, "manifest": bundle.key}, {**state.head, **state.others}
    facts["seal"] = seal_of(make_key(), values, facts)
    tensors.write(folder_of(bundle, folder) / name, values, facts)


def _largest(bundle: Bundle) -> int:
    """Return the most bytes of a state: a square of features and three heads, 8 a number, and a header."""
    classes, width = len(bundle.labels), int(bundle.weight.shape[1]) + 1
    return 2**21 + 8 * width * (width + 3 * classes)


def reset(bundle: Bundle, folder: Path | str | None = None) -> bool:
    """Go back to the pre-trained head; say whether there was anything to forget.

    Raises:
        EdgeError: the folder cannot be written.
    """
    paths = [folder_of(bundle, folder) / name for name in (FILE, UNFINISHED)]
    there = [path for path in paths if os.path.lexists(path)]
    try:
        for path in there:
            path.unlink()
    except OSError as error:
        raise EdgeError(
            f"state: must be a folder that can be written, received '{path.parent}' ({error.strerror})"
        ) from None
    return bool(there)


def pretrained(bundle: Bundle) -> Tensors:
    """Return a copy of the bundle's head."""
    return {"head.weight": bundle.weight.copy(), "head.bias": bundle.bias.copy()}


def current_head(bundle: Bundle, folder: Path | str | None = None) -> Tensors:
    """Return the head that the device uses: the adapted one, or the pre-trained."""
    state = load_state(bundle, folder)
    return state.head if state else pretrained(bundle)
