"""The costs of an arm: what its federated stages and its adaptation ask of one client.

Expected values of one client that takes part as often as the others: with cohorts, in
``cohort_size / num_clients`` of the rounds. Evaluation, and the check on validation data whether to accept an
adaptation, do not count; what a client remembers for its predictions counts as memory and as storage.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor
from torch.nn import Parameter

from headstart.core.trees import Params, Tree, num_bytes
from headstart.costs.communication import Communication, Federated, communication
from headstart.costs.dry_run import DummyClient, Work, dry_run
from headstart.models.model import Model, cut_at
from headstart.models.network import Network


@dataclass(frozen=True)
class ArmCosts:
    """What an arm costs. Per client unless said otherwise.

    Attributes:
        download_bytes: the starting weights (once), every round's shared state, and the final one.
        upload_bytes: to the server.
        total_bytes: both ways, all clients.
        client_flops: floating-point operations of training (a multiply-add counts two).
        peak_memory_bytes: all weights, and the most bytes alive beside them during training.
        rounds: exchanges between the server and a cohort.
        weights_bytes: the part of ``download_bytes`` that can be installed beforehand: what no round sends.
        storage_bytes: all weights on disk, and what an adaptation keeps of the client's data.
    """

    download_bytes: int
    upload_bytes: int
    total_bytes: int
    client_flops: int
    peak_memory_bytes: int
    rounds: int
    weights_bytes: int = 0
    storage_bytes: int = 0

    def as_json(self) -> dict[str, int]:
        """Return plain values for a record."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class Population:
    """The clients, as far as costs depend on them.

    Attributes:
        raw: one raw example as stored, ``(1, …)``.
        num_clients: clients that take part in federated training.
        num_examples: training examples of a client, on average.
    """

    raw: Tensor
    num_clients: int
    num_examples: int


class _Adapts(Protocol):
    """The part of an adaptation that costs depend on."""

    @property
    def trainable(self) -> Any:
        """Where the model is cut."""
        ...

    def __call__(self, model: Model, params: Params, data: Any) -> Params:
        """Return the client's own parameters."""
        ...


def arm_costs(
    network: Network,
    weights: Params,
    federate: Sequence[Federated],
    adapt: _Adapts,
    population: Population,
    *,
    sends_weights: bool,
) -> ArmCosts:
    """Measure an arm's costs by a dry run of one client's work on dummy examples.

    Args:
        network: the skeleton.
        weights: all weights and buffers.
        federate: the federated stages, in order; may be empty.
        adapt: what each client does at the end.
        population: how many clients, how many examples.
        sends_weights: whether clients must be sent the start; random weights follow from a seed.
    """

    def measured(subject: _Subject) -> ArmCosts:
        return _measured(subject, federate, adapt, sends_weights=sends_weights)

    subject = _Subject(network, weights, population)
    try:
        return measured(subject.weightless)
    except Exception:  # what looks at numbers has none to see, and a user's own method may do anything
        return measured(subject)


def _measured(subject: _Subject, federate: Sequence[Federated], adapt: _Adapts, *, sends_weights: bool) -> ArmCosts:
    network, weights, population = subject.network, subject.weights, subject.population
    stages = [_federate(method, subject) for method in federate]
    adapted = _adapted(adapt, subject)
    once = _weights_once(network, weights, federate) if sends_weights else 0
    final = _final_download(network, weights, federate, stages)
    traffic, clients = [stage.traffic for stage in stages], population.num_clients
    total_download = sum(t.download_bytes for t in traffic) + (once + final) * clients
    total_upload = sum(t.upload_bytes for t in traffic)
    passes = sum(stage.work.flops * stage.turns for stage in stages) + adapted.flops
    works = [*(stage.work for stage in stages), adapted]
    return ArmCosts(
        download_bytes=round(total_download / clients),
        upload_bytes=round(total_upload / clients),
        total_bytes=total_download + total_upload,
        client_flops=round(passes) + _frozen_flops(works) * population.num_examples,
        peak_memory_bytes=num_bytes(weights) + max(work.peak_bytes for work in works),
        rounds=sum(t.rounds for t in traffic),
        weights_bytes=once,
        storage_bytes=num_bytes(weights) + num_bytes(adapted.result),
    )


@dataclass(frozen=True, eq=False)
class _Subject:
    """Whose work is watched: a network, all its weights, and the clients."""

    network: Network
    weights: Params
    population: Population

    @cached_property
    def weightless(self) -> _Subject:
        """The same in shapes alone, which PyTorch computes as it would numbers, at next to no cost."""
        shapes = {name: value.to("meta") for name, value in self.weights.items()}
        population = replace(self.population, raw=self.population.raw.to("meta"))
        return _Subject(_without_numbers(self.network), shapes, population)


def _without_numbers(network: Network) -> Network:
    """Copy a network without the numbers of its tensors."""
    own = {id(value): value.detach().to("meta") for value in network.buffers()}
    own |= {id(value): Parameter(value.detach().to("meta"), value.requires_grad) for value in network.parameters()}
    return deepcopy(network, own)


@dataclass(frozen=True)
class _Stage:
    """A federated stage: its traffic, one client's work in one round, and how many rounds a client joins."""

    traffic: Communication
    work: Work
    turns: float


def _federate(method: Federated, subject: _Subject) -> _Stage:
    model, params = cut_at(subject.network, subject.weights, method.trainable)
    population = subject.population
    if method.pooled:
        return _pool(population)
    cohort = method.schedule.cohort_of(population.num_clients)
    # The server's own state is made here, outside the dry run: it takes no memory of a client.
    shared, private, _ = method.init(model, params)
    work = _watch(
        lambda client: method.client_update(model, shared, private, client),
        population,
        subject.weights,
        {f"shared/{name}": value for name, value in shared.items()} | private,
    )
    traffic = communication(method, shared, work.result[0], cohort)
    return _Stage(traffic, work, traffic.rounds * cohort / population.num_clients)


def _adapted(adapt: _Adapts, subject: _Subject) -> Work:
    model, params = cut_at(subject.network, subject.weights, adapt.trainable)
    return _watch(lambda client: _adapt(adapt, model, params, client), subject.population, subject.weights)


def _adapt(adapt: _Adapts, model: Model, params: Params, client: DummyClient) -> Tree:
    """Adapt, and return what the client keeps of its data, if the adaptation has a memory."""
    adapt(model, params, client)
    memory: Tree = adapt.memory(model, client) if hasattr(adapt, "memory") else {}
    return memory


def _pool(population: Population) -> _Stage:
    """The pooled reference: clients send their examples and compute nothing."""
    raw = population.raw
    upload = raw.numel() * raw.element_size() * population.num_examples
    return _Stage(Communication(0, upload, 1, population.num_clients), Work(0, {}, 0, None), 0)


def _watch(
    work: Callable[[DummyClient], Any],
    population: Population,
    weights: Params,
    received: Params | None = None,
) -> Work:
    return dry_run(
        work,
        population.raw,
        num_examples=population.num_examples,
        weights=weights,
        received=received,
    )


def _weights_once(network: Network, weights: Params, federate: Sequence[Federated]) -> int:
    """Bytes of what clients need before the first round: all weights but those that rounds send anyway."""
    return num_bytes(cut_at(network, weights, federate[0].trainable)[0].frozen if federate else weights)


def _final_download(network: Network, weights: Params, federate: Sequence[Federated], stages: Sequence[_Stage]) -> int:
    """Bytes of the shared state after the last round."""
    if not federate:
        return 0
    shared = stages[-1].traffic.download_per_round
    return shared or num_bytes(cut_at(network, weights, federate[-1].trainable)[1])


def _frozen_flops(works: Sequence[Work]) -> int:
    """FLOPs per example of all frozen parts; stages with the same frozen part share it."""
    merged: dict[str, int] = {}
    for work in works:
        merged |= work.frozen_flops
    return sum(merged.values())
