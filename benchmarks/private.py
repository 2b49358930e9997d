"""What privacy costs: accuracy against epsilon, of clients that learn alone, together, or both.

``python benchmarks/private.py`` gives 100 to 1,000 clients 60 digits of MNIST each (24 to train on), of skewed classes,
and prints a Markdown table: a linear model on pixels, 100 rounds of a tenth of the clients, clipped and under noise.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import headstart
from headstart.data import DataSettings, PartitionSettings, SplitSettings, open_federation
from headstart.data.federation import Federation
from headstart.training.accountant import Releases, delta_for, epsilon_of

ROWS, ROUNDS, SHARE, CLIP = 60, 100, 10, 0.3
"""Examples of a client, rounds, clients per one that takes part in a round, and the norm of its update."""

ALONE = {"method": "linear_probe", "epochs": 20, "batch_size": 16, "client_lr": 0.1}
SHARED = {"method": "fedavg", "rounds": ROUNDS, "batch_size": 16, "client_lr": 0.1, "trainable": "head"}


def main() -> None:
    """Print the table line by line."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--clients", type=int, nargs="+", default=(100, 300, 1000))
    parser.add_argument("--noise", type=float, nargs="+", default=(0.5, 1.0, 2.0, 4.0))
    parser.add_argument("--seeds", type=int, default=2)
    said = parser.parse_args()
    opened = [federation_of(clients) for clients in said.clients]
    print("| noise | epsilon | " + " | ".join(f"shared, {n} clients | both" for n in said.clients) + " |")
    print("|--:|--:|" + "--:|--:|" * len(said.clients))
    for noise in (None, 0.0, *said.noise):
        cells = [cell for federation in opened for cell in _both(federation, noise, range(said.seeds))]
        print(f"| {_named(noise)} | {' | '.join([_epsilon(noise, said.clients), *cells])} |", flush=True)
    alone = [cell for federation in opened for cell in (_mean({"adapt": ALONE}, federation, range(said.seeds)), "")]
    print(f"| alone | 0 | {' | '.join(alone)} |")


def federation_of(clients: int) -> Federation:
    """Return so many clients with digits of skewed classes."""
    folder = os.environ.get("HEADSTART_DATA")
    if not folder:
        sys.exit("set HEADSTART_DATA to the folder of the data sets first")
    settings = DataSettings(
        source=f"{folder}/images/mnist_train.parquet",
        max_examples=ROWS * clients,
        partition=PartitionSettings(method="dirichlet_clients", num_clients=clients, alpha=1.0, min_examples=20),
        split=SplitSettings(train=0.4, val=0.1, test=0.5),
    )
    return open_federation(settings, Path())


def _both(federation: Federation, noise: float | None, seeds: Sequence[int]) -> Iterator[str]:
    private = {} if noise is None else {"clip_norm": CLIP, "noise_multiplier": noise}
    stage = {**SHARED, "cohort_size": len(federation.clients) // SHARE, **private}
    for arm in ({"federate": stage}, {"federate": stage, "adapt": ALONE}):
        yield _mean(arm, federation, seeds)


def _mean(stages: dict[str, Any], federation: Federation, seeds: Sequence[int]) -> str:
    arm = headstart.Arm("arm", start="random", **stages)
    found = [headstart.run(arm, federation, backbone="linear", seed=seed) for seed in seeds]
    return f"{np.mean([one.metrics['accuracy'] for one in found]):.3f}"


def _named(noise: float | None) -> str:
    return "not clipped" if noise is None else f"{noise:g}"


def _epsilon(noise: float | None, clients: Sequence[int]) -> str:
    if not noise:
        return "∞"
    found = {epsilon_of([Releases(ROUNDS, 1 / SHARE, noise)], delta_for(many)) for many in clients}
    return ", ".join(f"{epsilon:.2f}" for epsilon in sorted(found))


if __name__ == "__main__":
    main()
