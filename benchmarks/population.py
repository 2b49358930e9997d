"""A population of any size: examples in a memory-mapped file, clients made when they are asked for, private heads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.lib.format import open_memmap

import networks
from headstart.core.seeds import numpy_generator
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.data.roster import Roster
from headstart.models.network import Network
from headstart.models.networks.mlp import build_mlp
from headstart.models.spec import ModelSpec
from sources import Array

EXAMPLES, FEATURES, CLASSES, HIDDEN = 20, 64, 10, 32
"""Of each client; of an example; of the labels; units of the shared layer."""

TOGETHER = 10_000
"""Clients that are written at once."""


class Numbers(Sequence[str]):
    """The names ``"0"``, ``"1"``, …, made when they are asked for."""

    def __init__(self, size: int) -> None:
        self._range = range(size)

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, position: int) -> str: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[str]: ...

    def __getitem__(self, position: int | slice) -> str | Sequence[str]:
        found = self._range[position]
        return str(found) if isinstance(found, int) else list(map(str, found))


def paths(folder: Path) -> tuple[Path, Path]:
    """Return the files of inputs and of labels."""
    return folder / "inputs.npy", folder / "labels.npy"


def write(folder: Path, clients: int) -> None:
    """Write the examples of so many clients, unless they are there: float32 inputs, 5 KB a client, and int64 labels."""
    inputs_path, labels_path = paths(folder)
    if labels_path.exists() and len(np.load(labels_path, mmap_mode="r")) >= clients * EXAMPLES:
        return
    inputs = open_memmap(inputs_path, "w+", np.float32, (clients * EXAMPLES, FEATURES))
    labels = open_memmap(labels_path, "w+", np.int64, (clients * EXAMPLES,))
    rule = numpy_generator("population", "rule").standard_normal((FEATURES, CLASSES), dtype=np.float32)
    for first in range(0, clients, TOGETHER):
        rows = slice(first * EXAMPLES, min(first + TOGETHER, clients) * EXAMPLES)
        inputs[rows], labels[rows] = _drawn(rows, rule)
    inputs.flush()
    labels.flush()


def _drawn(rows: slice, rule: Array) -> tuple[Array, Array]:
    """Draw inputs, and labels by a noisy rule that all clients share."""
    generator = numpy_generator("population", rows.start)
    inputs = generator.standard_normal((rows.stop - rows.start, FEATURES), dtype=np.float32)
    noise = generator.standard_normal((len(inputs), CLASSES), dtype=np.float32)
    return inputs, (inputs @ rule + 4 * noise).argmax(1)


def read(folder: Path, clients: int) -> tuple[Examples, Roster]:
    """Map the first clients' examples into memory; nothing is read before it is used."""
    inputs, labels = (np.load(path, mmap_mode="c")[: clients * EXAMPLES] for path in paths(folder))
    classes = tuple(str(label) for label in range(CLASSES))
    return Examples("table", inputs, labels, Numbers(len(labels)), classes), Roster(clients, _client)


def _client(position: int) -> Client:
    nothing = np.empty(0, dtype=np.int64)
    return Client(f"{position:09d}", position * EXAMPLES + np.arange(EXAMPLES), nothing, nothing)


def head_network() -> Network:
    """Build a head on the raw inputs; without a block below there is nothing to extract."""
    name = "benchmark/head"
    return Network([], num_features=FEATURES, num_classes=CLASSES, prepare=networks.as_they_are, name=name)


def body_network() -> Network:
    """Build a body of one hidden layer below a head."""
    return build_mlp(ModelSpec(backbone="mlp", hidden=(HIDDEN,)), (FEATURES,), CLASSES)
