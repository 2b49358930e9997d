"""Frozen passes over a cluster: rows divided over all workers, put together once, and given to all.

Blocks of rows are the same for any number of workers, and all are computed in one way, so that numbers are the same
too. Tables are computed where they are wanted: that takes less than sending them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import HeadstartError
from headstart.core.progress import Progress
from headstart.engine.features.activations import Activations, nowhere
from headstart.engine.features.extraction import Recipe
from headstart.engine.features.padding import RaggedTensor
from headstart.models.model import Model, cut_at
from headstart.study.lab import Lab
from headstart.study.run.pipeline import Pipeline
from headstart.study.spread.cluster.crew import Crew, Errand
from headstart.study.spread.cluster.parcels import packed_tree, unpacked_tree
from headstart.study.spread.piece import Piece

BLOCK = 256
"""Rows that one worker computes at a time."""

_MOST_KEPT = 8
"""Arrays that the cluster keeps: those used last."""


@dataclass(eq=False)
class Passes:
    """Computes frozen passes of a lab by a crew's workers.

    Attributes:
        lab: on this machine; what it asks for is computed by all from now on.
        crew: of workers that have opened the study.
        progress: told how far a pass is.
    """

    lab: Lab
    crew: Crew
    progress: Progress
    _kept: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.lab.activations.elsewhere = self._computes(self.lab.activations, is_central=False)
        if central := self.lab.central_activations:
            central.elsewhere = self._computes(central, is_central=True)

    def close(self) -> None:
        """Let the lab compute for itself again."""
        for activations in filter(None, (self.lab.activations, self.lab.central_activations)):
            activations.elsewhere = nowhere

    def of_piece(self, piece: Piece, pipeline: Pipeline) -> dict[str, Any]:
        """Return references of the activations that a piece's arms begin with, by name."""
        if self.lab.federation.examples.kind == "table" or piece.kind == "start":
            return {}
        models: dict[str, Model] = {}
        for arm in piece.arms:
            # What cannot be begun raises its error where it is done.
            with suppress(HeadstartError):
                trunk, stage = pipeline.start(arm.start), (*arm.federate, arm.adapt)[0]
                model, _ = cut_at(trunk.network, trunk.weights, stage.build().trainable)
                models |= {self.lab.activations.key(model): model} if model.cut else {}
        return {key: self._reference(key, model) for key, model in models.items()}

    def _reference(self, key: str, model: Model) -> Any:
        self._kept[key] = self._kept.pop(key, None) or self.crew.link.put(_array(self.lab.activations, model))
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return self._kept[key]

    def _computes(self, activations: Activations, *, is_central: bool) -> Callable[[str, Model], Array | None]:
        def elsewhere(key: str, model: Model) -> Array | None:
            rows = len(activations.examples)
            if activations.examples.kind == "table" or rows <= BLOCK or activations.is_stored(key):
                return None
            found = np.concatenate(self._blocks(activations, model, is_central=is_central))
            activations.store(key, found)
            return found

        return elsewhere

    def _blocks(self, activations: Activations, model: Model, *, is_central: bool) -> list[Array]:
        """Have workers compute all rows."""
        rows, found = len(activations.examples), dict[int, Array]()
        frozen = self.crew.link.put(packed_tree(model.frozen))
        said = {
            "from_scratch": model.network is self.lab.skeleton(from_scratch=True),
            "cut": model.cut,
            "recipe": asdict(activations.recipe(model)),
            "central": is_central,
        }

        def errand(first: int) -> Errand:
            words = json.dumps({**said, "rows": [first, min(first + BLOCK, rows)]})

            def take(_: object, answer: Array) -> None:
                found[first] = answer
                self.progress.count("features", min(len(found) * BLOCK, rows), rows)

            return Errand("features", lambda _: (words, frozen), take)

        self.crew.do(errand(first) for first in range(0, rows, BLOCK))
        return [found[first] for first in sorted(found)]


def features(lab: Lab, said: str, frozen: bytes) -> Array:
    """Compute a block of rows, as a worker.

    Args:
        lab: that has the same examples.
        said: which rows of which examples, and how, in JSON.
        frozen: weights that do not train, as safetensors.
    """
    told = json.loads(said)
    every = lab.central_activations if told["central"] else lab.activations
    assert every is not None
    model = Model(lab.skeleton(from_scratch=told["from_scratch"]), told["cut"], unpacked_tree(frozen))
    return _array(every.part(slice(*told["rows"]), Recipe(**told["recipe"])), model)


def _array(activations: Activations, model: Model) -> Array:
    found = activations.at(model)
    values = found.values if isinstance(found, RaggedTensor) else found
    return values.cpu().numpy()
