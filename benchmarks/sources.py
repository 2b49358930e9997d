"""Where a work's data, cohorts, batch orders and first weights come from: the peers' folder, or a seed."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.seeds import numpy_generator
from works import Work


@dataclass(frozen=True, eq=False)
class Data:
    """Everything that fixes a work's result.

    Attributes:
        inputs: ``(clients, examples, …)`` float32.
        labels: ``(clients, examples)`` int64.
        cohorts: who takes part, ``(rounds, cohort_size)`` int64.
        orders: permutations of each client's examples, ``(rounds, clients, epochs, examples)`` int64.
        weights: first weights by the peers' names; None to take a network's own random ones.
    """

    inputs: Array
    labels: Array
    cohorts: Array
    orders: Array
    weights: Mapping[str, Tensor] | None


class Source(Protocol):
    """Gives data and judges results."""

    def load(self, work: Work) -> Data:
        """Return a work's data."""
        ...

    def maxdiff(self, work: Work, weights: Mapping[str, Array]) -> float | None:
        """Return the largest difference from the plain loop's final weights; None without a reference."""
        ...


@dataclass(frozen=True)
class Peers:
    """The peers' own files, read with their own module ``common``, which honours ``PEERS_HOME``."""

    folder: Path

    def load(self, work: Work) -> Data:
        """Return a work's data."""
        common = self.common()
        inputs, labels, _, _ = common.load_data(work.name)
        cohorts, orders = common.load_plan(work.name)
        return Data(inputs, labels, cohorts, orders, self._weights(work, common))

    def maxdiff(self, work: Work, weights: Mapping[str, Array]) -> float | None:
        """Return the largest difference from the plain loop's final weights; None without a reference."""
        difference: float | None = self.common().check(work.name, weights)[0]
        return difference

    def has_reference(self, work: Work) -> bool:
        """Return whether the plain loop's final weights are on disk."""
        return os.path.exists(self.common().ref_path(work.name))

    def common(self) -> Any:
        """Import the peers' module of specifications, data and checks."""
        spec = importlib.util.spec_from_file_location("peers_common", self.folder / "common.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def _weights(self, work: Work, common: Any) -> dict[str, Tensor]:
        found = {name: torch.from_numpy(value) for name, value in common.load_init(work.name).items()}
        if work.network == "frozen":
            found |= {f"body.{name}": torch.from_numpy(value) for name, value in common.load_backbone().items()}
        return found


@dataclass(frozen=True)
class Seeded:
    """Data of the same shapes and sizes from a seed: a pattern per class under noise. There is no reference."""

    seed: int = 0

    def load(self, work: Work) -> Data:
        """Return a work's data."""
        generator = numpy_generator(self.seed, "benchmark", work.name)
        labels = generator.integers(0, work.classes, (work.clients, work.examples))
        patterns = generator.standard_normal((work.classes, math.prod(work.shape)), dtype=np.float32)
        inputs = generator.standard_normal((*labels.shape, math.prod(work.shape)), dtype=np.float32)
        inputs += 0.2 * patterns[labels]
        return Data(
            inputs.reshape(*labels.shape, *work.shape),
            labels,
            _cohorts(work, generator),
            _orders(work, generator),
            None,
        )

    def maxdiff(self, work: Work, weights: Mapping[str, Array]) -> float | None:  # noqa: ARG002
        """Return None: nothing but Headstart has seen these data."""
        return None


def _cohorts(work: Work, generator: np.random.Generator) -> Array:
    draws = [generator.choice(work.clients, work.cohort_size, replace=False) for _ in range(work.rounds)]
    return np.sort(np.stack(draws), axis=1)


def _orders(work: Work, generator: np.random.Generator) -> Array:
    shape = (work.rounds, work.clients, work.epochs, work.examples)
    return generator.permuted(np.broadcast_to(np.arange(work.examples), shape), axis=-1)
