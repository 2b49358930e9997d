"""Solve closed-form heads for many small clients: peak memory and time of a round.

python benchmarks/closed_form.py [--clients 2962] [--features 785] [--classes 62] [--method ridge|lda|ncm]

Every client has one to three examples: the sums that a client sends are far larger than its data.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from headstart.core.machine import threads
from headstart.core.seeds import numpy_generator
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.engine.features.activations import Activations
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.federate import METHODS
from headstart.models import ModelSpec, build
from headstart.models.model import cut_at
from measure import MB


def draw(clients: int, features: int, classes: int) -> tuple[Examples, list[Client]]:
    """Draw examples by a noisy linear rule, and deal one to three to each client."""
    rng = numpy_generator("closed form", clients, features)
    ends = np.cumsum(rng.integers(1, 4, clients))
    inputs = rng.standard_normal((int(ends[-1]), features), dtype=np.float32)
    labels = (inputs @ rng.standard_normal((features, classes), dtype=np.float32)).argmax(1)
    names, columns = [str(label) for label in range(classes)], tuple(f"x{i}" for i in range(features))
    examples = Examples("table", inputs, labels, [str(row) for row in range(len(labels))], tuple(names), columns)
    nothing = np.empty(0, np.int64)
    rows = np.split(np.arange(len(labels)), ends[:-1])
    return examples, [Client(f"{i:06}", own, nothing, nothing) for i, own in enumerate(rows)]


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2962)
    parser.add_argument("--features", type=int, default=785)
    parser.add_argument("--classes", type=int, default=62)
    parser.add_argument("--method", choices=("ridge", "lda", "ncm"), default="ridge")
    wanted = parser.parse_args()
    examples, clients = draw(wanted.clients, wanted.features, wanted.classes)
    network, weights = build(
        ModelSpec(backbone="linear"), shape=examples.shape, num_classes=wanted.classes, from_scratch=True, seed=0
    )
    model, params = cut_at(network, weights, "head")
    before, start = _peak(), time.perf_counter()
    with threads(1):
        method = METHODS[wanted.method].build({})
        run_rounds(method, model, params, clients, Activations(examples), engine=Fleet(), seed=0)
    seconds = time.perf_counter() - start
    print(
        f"{wanted.method}: {wanted.clients} clients, {wanted.features} features, {wanted.classes} classes: "
        f"{seconds:.1f} s, peak {_peak():.0f} MB (before the round {before:.0f})"
    )


def _peak() -> float:
    """Return the largest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


if __name__ == "__main__":
    main()
