"""The frozen part, computed once: activations at a cut, for all examples, found again by content."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headstart.core.content import hash_json
from headstart.core.files import CACHE_BYTES, evict, write_atomically
from headstart.data.examples import Array, Examples
from headstart.models.model import Model

BATCH = 256
"""Examples per forward pass of the frozen part."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much is done, and how much there is."""


class Activations:
    """Activations of one set of examples, kept in memory and, by content hash, on disk.

    Args:
        examples: the rows.
        folder: where arrays are kept between runs; None to keep nothing on disk.
        capacity: bytes on disk above which the arrays unused for longest are deleted.
        progress: told how far a forward pass is.
    """

    def __init__(
        self,
        examples: Examples,
        folder: Path | None = None,
        capacity: int = CACHE_BYTES,
        progress: Progress | None = None,
    ) -> None:
        self.examples = examples
        self.labels = torch.from_numpy(examples.labels)
        self._inputs = torch.from_numpy(np.asarray(examples.inputs))
        self._folder, self._capacity, self._progress = folder, capacity, progress
        self._memory: dict[str, Tensor] = {}

    def at(self, model: Model) -> Tensor:
        """Return the activations of every example at the model's cut, ``(examples, …)``."""
        if model.cut == 0:
            return self._inputs
        key = self.key(model)
        if key not in self._memory:
            # One study looks at few cuts at a time; older ones would only fill the memory.
            while len(self._memory) >= 4:
                self._memory.pop(next(iter(self._memory)))
            self._memory[key] = self._load_or_compute(key, model)
        return self._memory[key]

    def raw(self, rows: slice) -> Tensor:
        """Return raw inputs."""
        return self._inputs[rows]

    def key(self, model: Model) -> str:
        """Return the name of these activations: same name, same numbers."""
        return hash_json([model.frozen_key, self.examples.inputs_key])

    def compute(self, model: Model, rows: Tensor | None = None) -> Tensor:
        """Run the frozen part on some rows, or on all."""
        inputs = self._inputs if rows is None else self._inputs[rows]
        parts = []
        for start in range(0, len(inputs), BATCH):
            parts.append(model.activations(inputs[start : start + BATCH]))
            if self._progress and rows is None:
                self._progress("features", min(start + BATCH, len(inputs)), len(inputs))
        return torch.cat(parts) if parts else model.activations(inputs)

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{key}.npy"

    def _load_or_compute(self, key: str, model: Model) -> Tensor:
        if self._folder is None:
            return self.compute(model)
        path = self._path(key)
        if not path.exists():
            computed = self.compute(model).numpy()
            write_atomically(path, lambda temporary: _save_array(temporary, computed))
            evict(self._folder, "*.npy", self._capacity)
            return torch.from_numpy(computed)
        os.utime(path)
        return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))


def _save_array(path: Path, array: Array) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
