"""The frozen part, computed once: activations at a cut, for all examples, found again by content."""

from __future__ import annotations

import copy
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.checked import read_array
from headstart.core.content import hash_json
from headstart.core.damage import Damaged
from headstart.core.device import CPU, placed, rounding
from headstart.core.files import CACHE_BYTES, evict
from headstart.core.machine import threads
from headstart.core.progress import Progress, Silent
from headstart.core.ragged import Ragged
from headstart.data.examples import Examples
from headstart.engine.features.distinct import Distinct, distinct_rows, every_row
from headstart.engine.features.extraction import LARGEST_BATCH, Pass, Recipe, all_cores, build, choose
from headstart.engine.features.host_rows import on_device
from headstart.engine.features.padding import Inputs, RaggedTensor
from headstart.engine.features.partial import SECONDS, PartialArray
from headstart.engine.features.text_pass import TextPass
from headstart.models.model import Model
from headstart.models.network import Network

MOST_IN_MEMORY = 4
"""Cuts whose activations are kept: one study looks at few at a time; older ones would only fill the memory."""

_SUMMED = 256
"""Contents whose rows are copied at once to sum them up."""


Elsewhere = Callable[[str, Model], Array | None]
"""Asked for an array by its name, and for which model, before it is read or computed here; None leaves it to that."""


def nowhere(_key: str, _model: Model) -> None:
    """Compute nothing elsewhere."""


class Activations:
    """Activations of one set of examples, kept in memory and, by content hash, on disk.

    Args:
        examples: the rows.
        folder: where arrays are kept between runs; None to keep nothing on disk.
        capacity: bytes on disk above which the arrays unused for longest are deleted.
        progress: told how far a forward pass is.
        device: where activations, labels and raw inputs are wanted, and the frozen part runs.
        most_rows: that are computed at once.
        sync_seconds: of work on disk that a kill may lose.

    Attributes:
        elsewhere: who may have, or compute, an array.
    """

    def __init__(
        self,
        examples: Examples,
        folder: Path | None = None,
        capacity: int = CACHE_BYTES,
        progress: Progress | None = None,
        device: torch.device = CPU,
        *,
        most_rows: int = LARGEST_BATCH,
        sync_seconds: float = SECONDS,
    ) -> None:
        self.examples = examples
        self.labels = torch.from_numpy(examples.truth).to(device)
        self._inputs = _as_tensor(examples.inputs)
        self._folder, self._capacity, self._device = folder, capacity, device
        self._progress = progress or Silent()
        self._most_rows, self._sync_seconds = most_rows, sync_seconds
        self._memory: dict[str, Inputs] = {}
        self._as: Recipe | None = None
        self.elsewhere: Elsewhere = nowhere

    def at(self, model: Model) -> Inputs:
        """Return the activations of every example at the model's cut, ``(examples, …)``; texts' are ragged."""
        if model.cut == 0:
            return self._raw
        key = self.key(model)
        if key not in self._memory:
            while len(self._memory) >= MOST_IN_MEMORY:
                self._memory.pop(next(iter(self._memory)))
            self._memory[key] = self._shaped(model, self._load_or_compute(key, model))
        return self._memory[key]

    def has(self, model: Model) -> bool:
        """Say whether these activations are in memory or on disk, so that asking for them computes none."""
        key = self.key(model)
        on_disk = self._folder is not None and (self._folder / f"{key}.npy").exists()
        return model.cut == 0 or key in self._memory or on_disk

    def few(self, model: Model, count: int) -> Tensor:
        """Return the activations of the first ``count`` examples, or of all if they are fewer, computing no others."""
        if model.cut == 0 or self.key(model) in self._memory:
            return self.at(model)[:count]
        return self.compute(model, torch.arange(min(count, len(self._inputs))))

    def typical(self) -> Tensor:
        """Return one raw example, ``(1, …)``; of texts one of mean length."""
        if isinstance(self._inputs, Tensor):
            return self._inputs[:1]
        lengths = self._inputs.lengths
        return self._inputs[[int(np.abs(lengths - lengths.mean()).argmin())]]

    def raw(self, rows: slice) -> Tensor:
        """Return raw inputs."""
        return self._inputs[rows].to(self._device)

    def part(self, rows: slice, recipe: Recipe) -> Activations:
        """Return those of some examples alone, computed in a way that is chosen already, and kept nowhere."""
        chosen = np.arange(len(self._inputs))[rows]
        found = Activations(self.examples.take(chosen), device=self._device, most_rows=self._most_rows)
        found._as = recipe
        return found

    def is_stored(self, key: str) -> bool:
        """Say whether the array of this name is on disk."""
        return self._folder is not None and (self._folder / f"{key}.npy").exists()

    def store(self, key: str, found: Array) -> None:
        """Keep an array on disk, if there is a folder, that was computed elsewhere."""
        if self._folder is None:
            return
        with PartialArray(self._folder / f"{key}.npy") as file:
            array = file.create(found.shape, found.dtype)
            array[:] = found
            file.finish(array)
        evict(self._folder, "*.npy", self._capacity)

    def key(self, model: Model) -> str:
        """Return the name of these activations: same name, same numbers up to rounding."""
        precision = "as weights" if model.network.precision == "float32" else model.network.precision
        return hash_json([model.frozen_key, self.examples.inputs_key, "folded", precision])

    def compute(self, model: Model, rows: Tensor) -> Tensor:
        """Run the frozen part on some rows."""
        inputs = self._inputs[rows.cpu()]
        if model.cut == 0 or not len(inputs) or isinstance(self._inputs, RaggedTensor):
            return _on(model, self._device).activations(inputs.to(self._device))
        with self._computing(model):
            here = _on(model, CPU)
            part = _built(here, choose(_exact(here), inputs, self._device), inputs[:1])
            target = _written(Pass(part, inputs, every_row(len(inputs)), self._device))
        return torch.from_numpy(target).to(self._device)

    @cached_property
    def _raw(self) -> Inputs:
        return self._placed(self._inputs)

    def _placed(self, values: Tensor | RaggedTensor) -> Inputs:
        """Return what was computed or read where it is wanted."""
        return on_device(values, self._device) if isinstance(values, Tensor) else values.to(self._device)

    @cached_property
    def _distinct(self) -> Distinct:
        """Rows to compute: a table's row costs less to compute than to compare."""
        is_table = self.examples.kind == "table"
        return every_row(len(self._inputs)) if is_table else distinct_rows(self.examples.row_hashes)

    def recipe(self, model: Model) -> Recipe:
        """Return how the frozen part is computed here: as chosen before, or the fastest of the ways that agree."""
        return self._as or self._recipe(model)

    def _recipe(self, model: Model) -> Recipe:
        if isinstance(self._inputs, RaggedTensor):
            return Recipe()
        return choose(_exact(_on(model, CPU)), self._inputs, self._device)

    def _pass(self, model: Model, recipe: Recipe) -> Pass | TextPass:
        """Return a pass of all rows, the same contents once."""
        part = _built(_on(model, CPU), recipe, self._inputs[:1])
        if isinstance(self._inputs, RaggedTensor):
            return TextPass(part, self._inputs, self._distinct, self._device, self._tell, self._most_rows)
        return Pass(part, self._inputs, self._distinct, self._device, self._tell, self._most_rows)

    def _shaped(self, model: Model, found: Tensor) -> Inputs:
        """Return activations by rows: a text's states begin where its tokens do."""
        if model.is_head_only or isinstance(self._inputs, Tensor):
            return self._placed(found)
        return self._placed(RaggedTensor(found, self._inputs.starts))

    @contextmanager
    def _computing(self, model: Model) -> Iterator[None]:
        """Use every core, and the device as the network's precision says."""
        with threads(all_cores()), rounding(self._device, model.network.precision):
            yield

    def _tell(self, rows: int) -> None:
        self._progress.count("features", rows, len(self._inputs))

    def _load_or_compute(self, key: str, model: Model) -> Tensor:
        if not len(self._inputs):
            return _on(model, CPU).activations(self._inputs[:0])
        if (known := self.elsewhere(key, model)) is not None:
            return torch.from_numpy(known)
        if self._folder is None:
            with self._computing(model):
                return torch.from_numpy(_written(self._pass(model, self.recipe(model))))
        path = self._folder / f"{key}.npy"
        if (found := self._stored(path)) is not None:
            return found
        with PartialArray(path, self._sync_seconds) as file, self._computing(model):
            # Another process may have finished it while this one waited.
            if (found := self._stored(path)) is None:
                found = torch.from_numpy(self._fill(file, model))
                evict(self._folder, "*.npy", self._capacity)
        return found

    def _stored(self, path: Path) -> Tensor | None:
        """Return an array from disk; None where there is none, or one that is damaged, which goes."""
        try:
            found = read_array(path)
        except Damaged as error:
            self._progress.warn(error.note)
            error.set_aside()
            return None
        if found is None:
            return None
        os.utime(path)
        return torch.from_numpy(found)

    def _fill(self, file: PartialArray, model: Model) -> Array:
        """Compute the array on disk, from where a killed process left it, and in the same way."""
        before = file.resume({"contents": len(self._distinct)})
        recipe = Recipe(**before[1]["recipe"]) if before else self.recipe(model)
        one = self._pass(model, recipe)
        rows = _Checked(one)
        if before and not rows.are(*before):
            before, rows = None, _Checked(one)
        array, start = (before[0], before[1]["done"]) if before else (file.create(one.shape, _dtype(one)), 0)
        facts = {"contents": len(self._distinct), "recipe": asdict(recipe)}
        for done in one.write(array, start):
            file.keep(array, partial(rows.noted, facts, array, done))
        return file.finish(array)


class _Checked:
    """The checksum of what a pass has written so far; rows are read once for it.

    Args:
        one: the pass, which knows where its contents go.
    """

    def __init__(self, one: Pass | TextPass) -> None:
        self._one, self._done, self._sum = one, 0, 0

    def noted(self, facts: Mapping[str, Any], array: Array, done: int) -> dict[str, Any]:
        """Return a note that says how many contents are done, and what their rows must be."""
        return {**facts, "done": done, "rows": self.up_to(array, done)}

    def up_to(self, array: Array, done: int) -> int:
        """Return the checksum of the first ``done`` contents."""
        for start in range(self._done, done, _SUMMED):
            self._sum = zlib.crc32(array[self._one.rows_of(start, min(start + _SUMMED, done))].data, self._sum)
        self._done = done
        return self._sum

    def are(self, array: Array, note: Mapping[str, Any]) -> bool:
        """Say whether an array of an earlier process is that of this pass, and holds what was noted."""
        if (array.shape, array.dtype) != (self._one.shape, _dtype(self._one)):
            return False
        return bool(self.up_to(array, note["done"]) == note["rows"])


def _on(model: Model, device: torch.device) -> Model:
    """Return the model with its frozen part on a device."""
    return replace(model, network=model.network.on(device), frozen=placed(model.frozen, device))


def _exact(model: Model) -> Model:
    """Return the model with exact products: what rounds is no judge of another order of operations."""
    network = copy.copy(model.network)
    network.precision = "float32"
    return replace(model, network=network)


def _built(model: Model, recipe: Recipe, inputs: Tensor) -> Network:
    """Build the frozen part, in the network's precision; what it is made of is compared exactly."""
    part = build(_exact(model), recipe, inputs)
    part.precision = model.network.precision
    return part


def _as_tensor(inputs: Array | Ragged) -> Tensor | RaggedTensor:
    return RaggedTensor.of(inputs) if isinstance(inputs, Ragged) else torch.from_numpy(inputs)


def _dtype(one: Pass | TextPass) -> np.dtype[Any]:
    """Return the type of a pass's activations, as NumPy calls it."""
    return torch.empty(0, dtype=one.dtype).numpy().dtype


def _written(one: Pass | TextPass) -> Array:
    """Do a whole pass in memory."""
    target = np.empty(one.shape, _dtype(one))
    for _ in one.write(target):
        pass
    return target
