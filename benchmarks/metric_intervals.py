"""How often intervals over *these* clients cover the truth, by metric: made data whose truth is known.

Two arms score examples by weights that differ from seed to seed; each interval speaks of the mean over clients and
seeds of one arm's metric less the other's. The truth is that of a great many examples and seeds.

    python benchmarks/metric_intervals.py            # 1,000 studies of each metric and size, about three minutes
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.core.task import Task, classification
from headstart.evidence.contrast import contrast
from headstart.evidence.metrics import client_metrics, example_parts, measure
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.sides import example_units

Array = NDArray[np.float64]
SIZES: Mapping[str, tuple[int, ...]] = {
    "four hospitals": (104, 89, 16, 45),
    "ten of 60": (60,) * 10,
    "four of 20": (20,) * 4,
}
_WIDE = 5
_WOBBLE = 0.15
_TASKS: Mapping[str, Task] = {
    "auroc": classification(("0", "1")),
    "brier": classification(("0", "1")),
    "mae": Task(kind="regression", outputs=("y",)),
    "rmse": Task(kind="regression", outputs=("y",)),
    "r2": Task(kind="regression", outputs=("y",)),
    "c_index": Task(kind="survival", outputs=("risk",)),
}


@dataclass(frozen=True, eq=False)
class World:
    """Clients whose examples follow rules of their own, and two arms' mean weights."""

    task: Task
    slopes: Array
    arms: Array

    def examples(self, client: int, rows: int, draw: np.random.Generator) -> tuple[Array, Array]:
        """Draw inputs and truth of a client."""
        inputs = draw.standard_normal((rows, _WIDE))
        level = inputs @ self.slopes[client]
        if self.task.kind == "classification":
            return inputs, (draw.random(rows) < 1 / (1 + np.exp(-level))).astype(np.int64)
        if self.task.kind == "regression":
            return inputs, (level + draw.standard_normal(rows))[:, None]
        time, last = draw.exponential(np.exp(-level)), draw.exponential(2.0, rows)
        return inputs, np.stack([np.minimum(time, last), (time <= last).astype(float)], axis=1)

    def predictions(self, inputs: Array, weights: Array) -> Array:
        """Predict by one seed's weights."""
        level = inputs @ weights
        if self.task.kind != "classification":
            return level[:, None]
        likely = 1 / (1 + np.exp(-level))
        return np.stack([1 - likely, likely], axis=1)


def world(metric: str, clients: int) -> World:
    """Make the world of a metric, the same for all studies."""
    draw = np.random.default_rng(0)
    slopes = draw.standard_normal((clients, _WIDE)) * 0.3 + np.array([1.0, 0.8, 0.5, 0.0, 0.0])
    return World(_TASKS[metric], slopes, np.array([[1.0, 0.8, 0.5, 0.0, 0.0], [0.9, 0.3, 0.2, 0.3, 0.0]]))


def truth(made: World, metric: str, rows: int = 20_000, seeds: int = 30) -> float:
    """Return the difference of the arms over very many examples and seeds."""
    draw = np.random.default_rng(1)
    found = []
    for client in range(len(made.slopes)):
        inputs, true = made.examples(client, rows, draw)
        for _ in range(seeds):
            wobble = _WOBBLE * draw.standard_normal(made.arms.shape)
            found.append([_value(made, metric, inputs, true, weights) for weights in made.arms + wobble])
    better, worse = np.mean(found, axis=0)
    return float(measure(metric).sign * (better - worse))


def _value(made: World, metric: str, inputs: Array, true: Array, weights: Array) -> float:
    owner = np.zeros(len(true), dtype=np.int64)
    said = made.predictions(inputs, weights)
    return float(client_metrics(true, said, owner, 1, made.task, names=[metric])[metric][0])


def study(made: World, metric: str, sizes: tuple[int, ...], draw: np.random.Generator, seeds: int = 5) -> Outcomes:
    """Draw one study: the same test examples for both arms and all seeds."""
    each = [made.examples(client, rows, draw) for client, rows in enumerate(sizes)]
    inputs, true = (np.concatenate(part) for part in zip(*each, strict=True))
    owner = np.repeat(np.arange(len(sizes)), sizes)
    weights = made.arms[:, None] + _WOBBLE * draw.standard_normal((2, seeds, _WIDE))
    parts = np.array([[_parts(made, metric, inputs, true, owner, one) for one in arm] for arm in weights])
    labels = true if made.task.kind == "classification" else np.zeros(len(owner), dtype=np.int64)
    clients = tuple(map(str, range(len(sizes))))
    seen = np.ones(len(sizes), dtype=bool)
    return Outcomes(("a", "b"), tuple(range(seeds)), clients, seen, owner, labels, None, parts, metric)


def _parts(made: World, metric: str, inputs: Array, true: Array, owner: Array, weights: Array) -> Array:
    found = example_parts(true, made.predictions(inputs, weights), owner, len(made.slopes), made.task, metric)
    assert found is not None
    return found


def coverage(metric: str, sizes: tuple[int, ...], studies: int) -> tuple[float, float, float]:
    """Return how often a 95 % interval covers the truth, its median width, and the truth."""
    made, draw = world(metric, len(sizes)), np.random.default_rng(2)
    real, of, hits, widths = truth(made, metric), measure(metric, made_task(metric)), 0, []
    for _ in range(studies):
        units = example_units(study(made, metric, sizes, draw), of)
        low, high = contrast(units.compare("a", "b"), "these", floor=of.is_share).interval(0.95)
        hits += low <= real <= high
        widths.append(high - low)
    return hits / studies, float(np.median(widths)), real


def made_task(metric: str) -> Task:
    """Return what a metric judges here."""
    return _TASKS[metric]


def table(studies: int) -> Iterator[str]:
    """Yield the table's lines."""
    yield "| metric | " + " | ".join(SIZES) + " |"
    yield "|---|" + "---|" * len(SIZES)
    for metric in _TASKS:
        cells = (coverage(metric, sizes, studies) for sizes in SIZES.values())
        yield f"| `{metric}` | " + " | ".join(f"{hit:.3f} (width {wide:.3f})" for hit, wide, _ in cells) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    for line in table(parser.parse_args().studies):
        print(line, flush=True)
