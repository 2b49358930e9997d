"""A work as Headstart's own objects, and one timed run of it through the public engine."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import networks
from headstart.core.device import CPU, Precision, placed
from headstart.core.trees import Params
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.engine.features.activations import Activations
from headstart.engine.protocol import Engine
from headstart.engine.rounds import run_rounds
from headstart.federate.fedavg import FedAvg
from headstart.federate.protocol import Schedule
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.training.local import LocalTraining
from measure import cpu_seconds
from sources import Array, Data
from works import Work


@dataclass(frozen=True, eq=False)
class Task:
    """A work, ready to train.

    Attributes:
        work: what it is.
        data: what fixes its result.
        model: cut where the work trains.
        params: the first trainable parameters.
        clients: in the order of ``data``.
    """

    work: Work
    data: Data
    model: Model
    params: Params
    clients: Sequence[Client]

    @property
    def method(self) -> FedAvg:
        """The work as a federated method."""
        work = self.work
        return FedAvg(
            schedule=Schedule(rounds=work.rounds, cohort_size=work.cohort_size),
            local=LocalTraining(client_lr=work.client_lr, batch_size=work.batch_size),
            local_epochs=work.epochs,
            trainable="head" if work.is_head_only else "all",
        )


@dataclass(frozen=True)
class Timing:
    """What one run took, and what it came to.

    Attributes:
        extraction_seconds: the one pass of the examples through the frozen part; 0 where nothing is frozen.
        extraction_cpu_seconds: of this process and its workers in that time.
        round_seconds: of each round.
        total_seconds: from everything set up to the end of the last round, extraction included.
        cpu_seconds: of this process and its workers in that time.
        weights: final parameters by the peers' names.
    """

    extraction_seconds: float
    extraction_cpu_seconds: float
    round_seconds: tuple[float, ...]
    total_seconds: float
    cpu_seconds: float
    weights: dict[str, Array]

    @property
    def median_round(self) -> float:
        """Seconds of the median round."""
        return statistics.median(self.round_seconds)


def build_network(work: Work) -> Network:
    """Build a work's network."""
    if work.network == "small-cnn":
        return networks.small_cnn(work.shape, work.classes)
    if work.network == "pfl-cnn":
        return networks.pfl_cnn(work.shape, work.classes)
    if work.network == "linear":
        return networks.linear(work.shape[0], work.classes)
    # Training in full takes each batch's own statistics, as the peers do; a frozen network takes the stored ones.
    return networks.resnet18(work.classes, running=work.network == "frozen")


def prepare(work: Work, data: Data, device: torch.device = CPU, precision: Precision = "float32") -> Task:
    """Cut a work's network and deal out its examples."""
    torch.manual_seed(0)
    network = build_network(work)
    network.precision = precision
    values = networks.weights_of(network) if data.weights is None else networks.with_values(network, data.weights)
    model, params = cut_at(network, placed(values, device), "head" if work.is_head_only else "all")
    nothing = np.empty(0, dtype=np.int64)
    rows = np.arange(work.clients * work.examples).reshape(work.clients, work.examples)
    # Padded with zeros, so that the order of the ids is the order of the numbers.
    clients = [Client(f"{index:06d}", train, nothing, nothing) for index, train in enumerate(rows)]
    return Task(work, data, model, params, clients)


def activations_of(data: Data, device: torch.device = CPU) -> Activations:
    """Store a work's examples once."""
    inputs = data.inputs.reshape(-1, *data.inputs.shape[2:])
    labels = data.labels.reshape(-1)
    ids = [str(index) for index in range(len(labels))]
    classes = tuple(str(label) for label in range(int(labels.max()) + 1))
    return Activations(Examples("table", inputs, labels, ids, classes), device=device)


def planned_cohorts(data: Data) -> Callable[..., Array]:
    """Return the engine's ``sample``: the plan's cohorts instead of random ones."""

    def sample(population: int, schedule: Schedule, seed: int, round_number: int) -> Array:  # noqa: ARG001
        cohort: Array = data.cohorts[round_number]
        return cohort

    return sample


def planned_orders(data: Data, batch_size: int) -> Callable[..., Array]:
    """Return the engine's ``order``: the plan's permutations, ``(clients, steps, batch)``, -1 where padded."""
    examples = data.orders.shape[-1]
    padding = -examples % batch_size
    padded = np.pad(data.orders, [(0, 0)] * 3 + [(0, padding)], constant_values=-1).astype(np.int64)

    def order(ids: Sequence[str], labels: Any, passes: Any, key: tuple[Any, ...]) -> Array:  # noqa: ARG001
        chosen: Array = padded[key[2], [int(one) for one in ids]]
        return chosen.reshape(len(ids), -1, batch_size)

    return order


def train(task: Task, activations: Activations, engine: Engine) -> Timing:
    """Train a work to its end and take the time."""
    marks: list[float] = []
    device = activations.labels.device

    def mark(_: object) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        marks.append(time.perf_counter())

    sample, order = planned_cohorts(task.data), planned_orders(task.data, task.work.batch_size)

    begin, cpu = time.perf_counter(), cpu_seconds()
    if task.model.cut:
        activations.at(task.model)
    extracted, extracted_cpu = time.perf_counter() - begin, cpu_seconds() - cpu
    found = run_rounds(
        task.method,
        task.model,
        task.params,
        task.clients,
        activations,
        engine=engine,
        seed=0,
        on_round=mark,
        sample=sample,
        order=order,
    )
    end, spent = time.perf_counter(), cpu_seconds() - cpu
    rounds = tuple(float(later - earlier) for earlier, later in itertools.pairwise(marks))
    weights = {networks.peer_name(name): value.cpu().numpy() for name, value in found.shared.items()}
    return Timing(extracted, extracted_cpu, rounds, end - begin, spent, weights)
