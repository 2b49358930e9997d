"""Train on populations of ten thousand to a million clients: what time and memory of a round depend on.

python benchmarks/scale.py [--population 1000000] [--cohort 1000] [--rounds 20] [--folder DIR] [--json FILE] [--docs]

Every client has 20 examples of 64 features, 5 KB in a memory-mapped file (5 GB for a million). Each run is a fresh
process: FedAvg of a head on all features, and FedAvg of a hidden layer under heads that the clients keep to themselves.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

import population
import processes
from headstart.core.machine import threads
from headstart.engine.features.activations import Activations
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.federate.fedavg import FedAvg
from headstart.federate.fedper import OwnHead
from headstart.federate.protocol import Schedule
from headstart.federate.sharing import Sharing
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.training.local import LocalTraining
from measure import MB
from summary import machine
from table import PAGE, markdown, number, write_between

SMALLEST = 10_000
"""The smallest population; each further one is ten times as large."""

LOCAL = LocalTraining(client_lr=0.1, batch_size=10)
STAGES = {"head": "FedAvg of a head", "private": "shared layer, private heads"}


def sizes(largest: int, cohort: int) -> list[int]:
    """Return the populations to compare, the largest last.

    >>> sizes(1_000_000, 1000)
    [10000, 100000, 1000000]
    >>> sizes(500, 100)
    [500]
    """
    powers = itertools.takewhile(lambda size: size < largest, (SMALLEST * 10**k for k in itertools.count()))
    return [*(size for size in powers if size >= cohort), largest]


def cut(stage: str) -> tuple[Model, dict[str, torch.Tensor]]:
    """Build a stage's model and its first parameters."""
    torch.manual_seed(0)
    network: Network = population.head_network() if stage == "head" else population.body_network()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    return cut_at(network, weights, "all")


def train(stage: str, folder: Path, clients: int, schedule: Schedule) -> dict[str, float]:
    """Train a stage and return seconds of its rounds."""
    examples, roster = population.read(folder, clients)
    method = FedAvg(schedule=schedule, local=LOCAL, sharing=Sharing() if stage == "head" else OwnHead())
    model, params = cut(stage)
    marks: list[float] = []
    with threads(1):
        found = run_rounds(
            method,
            model,
            params,
            roster,
            Activations(examples),
            engine=Fleet(),
            seed=0,
            on_round=lambda *_: marks.append(time.perf_counter()),
        )
    spent = [later - earlier for earlier, later in itertools.pairwise(marks)]
    # A private head is read back, so that keeping it is part of what was tested.
    known = sum(1 for _ in found.privates)
    return {"first": spent[0], "median": statistics.median(spent), "total": sum(spent), "known": known}


def report(rows: list[dict[str, Any]]) -> str:
    """Return the table of all runs."""
    header = ["stage", "clients", "first round, s", "median round, s", "all rounds, s", "peak, MB", "not in a file, MB"]
    return markdown(
        header,
        (
            [STAGES[row["stage"]], f"{row['clients']:,}"]
            + [number(row[key]) for key in ("first", "median", "total", "peak_mb", "anonymous_mb")]
            for row in rows
        ),
    )


def compare(chosen: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Run every stage on every population, each in a fresh process."""
    rows = []
    for stage, clients in itertools.product(STAGES, sizes(chosen.population, chosen.cohort)):
        limits = ["--cohort", str(chosen.cohort), "--rounds", str(chosen.rounds), "--folder", str(folder)]
        found, peak = processes.script("scale.py", "--stage", stage, "--population", str(clients), *limits)
        memory = {"peak_mb": peak.resident / MB, "anonymous_mb": peak.anonymous / MB}
        rows.append({"stage": stage, "clients": clients, **found, **memory})
    return rows


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--population", type=int, default=1_000_000, help="clients of the largest population (1000000)")
    made.add_argument("--cohort", type=int, default=1000, help="clients a round (1000)")
    made.add_argument("--rounds", type=int, default=20, help="rounds (20)")
    made.add_argument("--folder", type=Path, metavar="DIR", help="keep the examples here between runs")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the rows here")
    made.add_argument("--docs", action="store_true", help=f"rewrite the table in docs/{PAGE.name}")
    made.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    return made


def main() -> None:
    """Write the examples, run, print; with ``--stage``, be one of the fresh processes."""
    chosen = parser().parse_args()
    if chosen.stage:
        schedule = Schedule(rounds=chosen.rounds, cohort_size=chosen.cohort)
        print(json.dumps(train(chosen.stage, chosen.folder, chosen.population, schedule)))
        return
    with nullcontext(chosen.folder) if chosen.folder else tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        population.write(folder, chosen.population)
        rows = compare(chosen, folder)
    print(report(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")
    if chosen.docs:
        measured = f"Cohorts of {chosen.cohort:,}, {chosen.rounds} rounds, on {machine(processes.speeds())}."
        write_between(PAGE, "populations", f"{measured}\n\n{report(rows)}")


if __name__ == "__main__":
    main()
