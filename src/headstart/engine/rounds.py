"""The round loop: cohorts, failures, aggregation. The same for every method and every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.errors import ClientError, SettingError
from headstart.core.seeds import numpy_generator
from headstart.core.trees import Params, Tree
from headstart.data.federation import Client
from headstart.engine.activations import Activations
from headstart.engine.protocol import Chunk, Engine, Failure
from headstart.engine.team import Team
from headstart.federate.protocol import Federate, Schedule
from headstart.models.batches import ClientData
from headstart.models.model import Model


@dataclass(frozen=True)
class Exclusion:
    """A client left out of one round, and why."""

    client: str
    round: int
    reason: str


@dataclass(frozen=True)
class Traffic:
    """Bytes that crossed the network so far: what the server sent, and what the clients sent."""

    download: int = 0
    upload: int = 0

    @property
    def total(self) -> int:
        """Both ways together."""
        return self.download + self.upload


@dataclass(frozen=True)
class Federated:
    """What a federated stage leaves.

    Attributes:
        shared: the shared tree after the last round.
        privates: private trees by client id, of the clients that took part.
        newcomer: private tree of a client that never took part.
        traffic: bytes of all rounds.
        excluded: clients left out of rounds.
        rounds: rounds that were carried out.
    """

    shared: Tree
    privates: Mapping[str, Tree]
    newcomer: Tree
    traffic: Traffic = Traffic()
    excluded: tuple[Exclusion, ...] = ()
    rounds: int = 0

    def private(self, client: Client) -> Tree:
        """Return a client's private tree."""
        return self.privates.get(client.id, self.newcomer)


OnRound = Callable[[int, Federated], None]
"""Told the number of finished rounds and what the stage has come to."""


def run_rounds(
    method: Federate,
    model: Model,
    params: Params,
    clients: Sequence[Client],
    activations: Activations,
    *,
    engine: Engine,
    seed: int,
    max_bad_clients: float = 0.5,
    on_round: OnRound | None = None,
) -> Federated:
    """Run a federated method to its last round.

    Args:
        method: what the clients and the server do.
        model: cut as the method says.
        params: the trainable parameters to start from.
        clients: those that may take part, in any order.
        activations: of the federation's examples.
        engine: where client work runs.
        seed: with the round and a client's id it fixes every random choice.
        max_bad_clients: share of a cohort that may fail before the run stops.
        on_round: called after every round, and once before the first.

    Raises:
        ClientError: more than the allowed share of a cohort failed.
        SettingError: the method shares nothing at this cut.
    """
    shared, newcomer, state = method.init(model, params)
    if not shared:
        raise SettingError(
            "federate.trainable: must leave the clients something to share, received a cut above which the method "
            "keeps everything private; train more blocks, or federate nothing"
        )
    members = sorted((client for client in clients if len(client.train)), key=lambda client: client.id)
    now = Federated(shared, {}, newcomer)
    for round_number in range(method.schedule.rounds):
        if on_round:
            on_round(round_number, now)
        cohort = sample_cohort(members, method.schedule, seed, round_number)
        answers = collect(method, model, now, cohort, activations, engine, (seed, "round", round_number))
        check_failures(answers.excluded, len(cohort), max_bad_clients, round_number)
        shared, state = answers.serve(method, model, now.shared, state)
        now = Federated(
            shared,
            {**now.privates, **answers.privates},
            newcomer,
            Traffic(
                now.traffic.download + trees.num_bytes(now.shared) * len(cohort),
                now.traffic.upload + answers.upload,
            ),
            (*now.excluded, *answers.excluded),
            round_number + 1,
        )
    if on_round:
        on_round(now.rounds, now)
    return now


def sample_cohort(members: Sequence[Client], schedule: Schedule, seed: int, round_number: int) -> list[Client]:
    """Draw the clients of one round; those that drop out are not among them."""
    size = min(schedule.cohort_size or len(members), len(members))
    chosen = numpy_generator(seed, "cohort", round_number).choice(len(members), size=size, replace=False)
    cohort = [members[i] for i in sorted(chosen)]
    return [c for c in cohort if _answers(c, schedule.client_dropout, seed, round_number)]


def _answers(client: Client, dropout: float, seed: int, round_number: int) -> bool:
    return not dropout or numpy_generator(seed, "dropout", round_number, client.id).random() >= dropout


@dataclass
class Answers:
    """What a cohort sent, added up as it came in."""

    total: Tree = field(default_factory=dict)
    weight: float = 0.0
    upload: int = 0
    privates: dict[str, Tree] = field(default_factory=dict)
    excluded: list[Exclusion] = field(default_factory=list)

    def take(self, updates: Tree, weights: Tensor) -> None:
        """Add a stack of updates."""
        summed = trees.weighted_sum(updates, weights)
        self.total = trees.add(self.total, summed) if self.total else summed
        self.weight += float(weights.sum())
        self.upload += trees.num_bytes(updates)

    def exclude(self, clients: Sequence[Client], round_number: int, reason: str) -> None:
        """Note clients that are left out of this round."""
        self.excluded += [Exclusion(client.id, round_number, reason) for client in clients]

    def serve(self, method: Federate, model: Model, shared: Tree, state: Tree) -> tuple[Tree, Tree]:
        """Let the server use what came; a round without answers changes nothing."""
        if not self.weight:
            return shared, state
        update = self.total if method.reduce == "sum" else trees.scale(self.total, 1 / self.weight)
        return method.server_update(model, shared, state, update)


def collect(
    method: Federate,
    model: Model,
    now: Federated,
    cohort: Sequence[Client],
    activations: Activations,
    engine: Engine,
    key: tuple[int | str, ...],
) -> Answers:
    """Have a cohort do its client updates and add them up; bad answers are left out and named."""
    answers, round_number = Answers(), now.rounds

    def work(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        return method.client_update(model, shared, private, data)

    team = Team(cohort, activations, key)
    for result in engine.map(work, model, now.shared, [now.private(client) for client in cohort], team):
        if isinstance(result, Failure):
            answers.excluded.append(Exclusion(cohort[result.position].id, round_number, result.reason))
        else:
            _take_chunk(answers, result, method, cohort, round_number)
    return answers


def _take_chunk(answers: Answers, chunk: Chunk, method: Federate, cohort: Sequence[Client], round_number: int) -> None:
    updates, privates = chunk.results
    members = [cohort[position] for position in chunk.positions]
    if answers.total and not same_shapes(updates, answers.total):
        answers.exclude(members, round_number, "its update has other names or shapes than the others'")
        return
    finite = trees.finite_clients({**updates, **{f"private/{name}": value for name, value in privates.items()}})
    good = [i for i in range(len(members)) if finite[i]]
    answers.exclude(
        [member for member, fine in zip(members, finite, strict=True) if not fine],
        round_number,
        "what it computed has numbers that are not finite",
    )
    if privates:
        answers.privates |= {members[i].id: trees.unstack(privates, i) for i in good}
    if good:
        sizes = torch.tensor([float(len(members[i].train)) for i in good], dtype=torch.float64)
        answers.take(
            {name: value[finite] for name, value in updates.items()},
            torch.ones_like(sizes) if method.reduce == "sum" else sizes,
        )


def same_shapes(stack: Tree, tree: Tree) -> bool:
    """Say whether a stack's trees have the names and shapes of ``tree``."""
    return {name: value.shape[1:] for name, value in stack.items()} == {n: v.shape for n, v in tree.items()}


def check_failures(excluded: Sequence[Exclusion], cohort_size: int, allowed: float, round_number: int) -> None:
    """Stop the run when too large a share of a cohort failed."""
    if len(excluded) > allowed * cohort_size:
        first = excluded[0]
        raise ClientError(
            f"round {round_number}: {len(excluded)} of {cohort_size} clients failed, more than the share "
            f"{allowed:g} that engine.max_bad_clients allows; the first, '{first.client}': {first.reason}; "
            f"lower client_lr, or raise engine.max_bad_clients"
        )
