"""The published ordering of FedAvg and personal methods: clients of skewed classes, and clients that are nearly alike.

``python benchmarks/ordering.py`` deals Fashion-MNIST to 20 clients twice and prints a Markdown table of accuracies.
PFLlib (Zhang et al., JMLR 2025, https://arxiv.org/abs/2312.04992) says, under Dirichlet 0.1 and after up to 2,000
rounds: FedAvg 85.9, FedPer 97.4, FedBABU 97.5, Ditto 97.5, FedRep alike; where classes are spread evenly, private
heads lose.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import headstart
from headstart.data import DataSettings, PartitionSettings, SplitSettings, open_federation
from headstart.data.federation import Federation

LOCAL = {"batch_size": 10, "client_lr": 0.02}
"""As PFLlib, whose step size is .005 for many more rounds."""


@dataclass(frozen=True)
class World:
    """How Fashion-MNIST is dealt.

    Attributes:
        title: of its column.
        alpha: of the Dirichlet draw of each class over clients; small is skewed.
        train_per_client: training examples a client, at most.
    """

    title: str
    alpha: float
    train_per_client: int | None = None


WORLDS = (World("skewed, Dirichlet 0.1", 0.1), World("nearly alike, Dirichlet 100, 30 examples each", 100, 30))


def arms(rounds: int) -> Mapping[str, Mapping[str, Any]]:
    """Return every arm as a study file would say it, one pass over a client's data a round."""
    steps = {"rounds": rounds, **LOCAL}
    fit = {"method": "linear_probe", "epochs": 10, "accept": False, **LOCAL}
    own = {"method": "full_finetune", "epochs": rounds, "accept": False, **LOCAL}
    return {
        "local": {"adapt": own},
        "fedavg": {"federate": {"method": "fedavg", **steps}},
        "scaffold": {"federate": {"method": "scaffold", **steps}},
        "feddyn": {"federate": {"method": "feddyn", **steps}},
        "fedavg, then the head": {"federate": {"method": "fedavg", **steps}, "adapt": fit},
        "fedper": {"federate": {"method": "fedper", **steps}},
        "fedrep": {"federate": {"method": "fedrep", "head_epochs": 1, **steps}},
        "fedbabu, then the head": {"federate": {"method": "fedbabu", **steps}, "adapt": fit},
        "ditto": {"federate": {"method": "ditto", **steps}},
    }


def main() -> None:
    """Print the table, a row an arm."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--examples", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--arms", nargs="+", default=list(arms(1)))
    said = parser.parse_args()
    dealt = [federation_of(world, said.examples) for world in WORLDS]
    print("| arm | " + " | ".join(world.title for world in WORLDS) + " |")
    print("|---|" + "--:|" * len(WORLDS))
    for name in said.arms:
        began = time.monotonic()
        cells = [" ".join(_cell(name, federation, said.rounds, said.seeds)) for federation in dealt]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        print(f"  {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def federation_of(world: World, examples: int) -> Federation:
    """Deal training and test examples, as PFLlib does, three quarters of each client's to train on."""
    folder = os.environ.get("HEADSTART_DATA")
    if not folder:
        sys.exit("set HEADSTART_DATA to the folder of the data sets first")
    settings = DataSettings(
        source=f"{folder}/images/fashion_mnist_half_train.parquet",
        max_examples=examples,
        partition=PartitionSettings(method="dirichlet_classes", num_clients=20, alpha=world.alpha, min_examples=40),
        split=SplitSettings(train=0.75, val=0.0, test=0.25),
        train_per_client=world.train_per_client,
    )
    return open_federation(settings, Path())


def _cell(name: str, federation: Federation, rounds: int, seeds: int) -> Iterator[str]:
    """Yield the share of all test examples that are right, as PFLlib counts, and its range over seeds."""
    weights = [len(client.test) for client in federation.clients]
    values = [np.average(_accuracies(name, federation, rounds, seed), weights=weights) for seed in range(seeds)]
    yield f"{100 * np.mean(values):.1f}"
    if seeds > 1:
        yield f"({100 * min(values):.1f}–{100 * max(values):.1f})"


def _accuracies(name: str, federation: Federation, rounds: int, seed: int) -> list[float | None]:
    arm = headstart.Arm("arm", start="random", **arms(rounds)[name])
    found = headstart.run(arm, federation, backbone="small-cnn", seed=seed)
    return [found.clients[client.id]["accuracy"] for client in federation.clients]


if __name__ == "__main__":
    main()
