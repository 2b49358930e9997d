"""The round loop: cohorts, failures, aggregation. The same for every method and every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from headstart.core import trees
from headstart.core.errors import ClientError, SettingError
from headstart.core.seeds import Key, derive, numpy_generator
from headstart.core.trees import Params, Tree
from headstart.data.examples import Array
from headstart.data.federation import Client
from headstart.data.roster import Roster
from headstart.engine.clients import Team
from headstart.engine.features.activations import Activations
from headstart.engine.order import Order, keyed_order, mix, uniform
from headstart.engine.privates import ByClient, PrivateStore
from headstart.engine.protocol import Chunk, Crew, Engine, Failure, Job
from headstart.federate.protocol import Federate, Schedule
from headstart.federate.robust import AGGREGATES
from headstart.models.model import Model
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


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

    def after(self, shared: Tree, answers: Answers, download: int) -> Federated:
        """Return what the stage has come to after one more round."""
        traffic = Traffic(self.traffic.download + download, self.traffic.upload + answers.upload)
        excluded = (*self.excluded, *answers.excluded)
        return replace(self, shared=shared, traffic=traffic, excluded=excluded, rounds=self.rounds + 1)


@dataclass(frozen=True)
class Snapshot:
    """Where a server stands after a round: what the stage has come to, and the server's own state."""

    federated: Federated
    state: Tree


OnRound = Callable[[int, Federated], None]
"""Told the number of finished rounds and what the stage has come to; private trees change from round to round."""

Sample = Callable[[int, Schedule, int, int], Array]
"""``sample(population, schedule, seed, round)``: positions of a round's clients among those sorted by id."""


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
    sample: Sample | None = None,
    order: Order = keyed_order,
    begin: Snapshot | None = None,
    keep: Callable[[Snapshot], None] | None = None,
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
        sample: who takes part in a round; None draws by the seed.
        order: in which order clients meet their examples.
        begin: where an earlier run stood, whose clients keep their private trees themselves; None begins anew.
        keep: told where the server stands after every round.

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
    team = Team(members(clients), activations, order)
    privates = PrivateStore(newcomer, len(team.clients))
    now = Federated(shared, ByClient(privates, team.clients), newcomer)
    if begin:
        now, state = begin.federated, begin.state
    with engine.crew(_job(method, model, params, team, privates)) as crew:
        for round_number in range(now.rounds, method.schedule.rounds):
            if on_round:
                on_round(round_number, now)
            cohort = (sample or sample_cohort)(len(team.clients), method.schedule, seed, round_number)
            answers = collect(method, now, cohort, crew, team, privates, (seed, "round", round_number))
            check_failures(answers.excluded, len(cohort), max_bad_clients, round_number)
            shared, state = answers.serve(method, model, now.shared, state)
            now = now.after(shared, answers, trees.num_bytes(now.shared) * len(cohort))
            if keep:
                keep(Snapshot(now, state))
    if on_round:
        on_round(now.rounds, now)
    return now


def members(clients: Sequence[Client]) -> Sequence[Client]:
    """Return the clients with training examples, sorted by id."""
    if isinstance(clients, Roster):
        return clients
    return sorted((client for client in clients if len(client.train)), key=lambda client: client.id)


def _job(method: Federate, model: Model, params: Params, team: Team, privates: PrivateStore) -> Job:
    def work(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        return method.client_update(model, shared, private, data)

    size = method.schedule.cohort_of(len(team.clients))
    dtype = next(iter(params.values())).dtype
    return Job(work, model, team, privates, batch_size=batch_size_of(method), cohort_size=size, dtype=dtype)


def batch_size_of(method: object) -> int:
    """Return the size of a method's minibatches; the usual one, if it takes no steps."""
    local = getattr(method, "local", None)
    return local.batch_size if isinstance(local, LocalTraining) else LocalTraining().batch_size


def sample_cohort(population: int, schedule: Schedule, seed: int, round_number: int) -> Array:
    """Draw the clients of one round, without replacement; those that drop out are not among them."""
    generator = numpy_generator(seed, "cohort", round_number)
    size = schedule.cohort_of(population)
    chosen = np.sort(generator.choice(population, size=size, replace=False)) if size < population else np.arange(size)
    if not schedule.client_dropout:
        return chosen
    draws = mix(mix(chosen.astype(np.uint64)) ^ np.uint64(derive(seed, "dropout", round_number)))
    return chosen[uniform(draws) >= schedule.client_dropout]


@dataclass
class Answers:
    """What a cohort sent, added up as it came in."""

    round: int
    aggregate: str = "mean"
    bad_share: float = 0.0
    total: Tree = field(default_factory=dict)
    updates: list[Tree] = field(default_factory=list)
    weight: float = 0.0
    upload: int = 0
    excluded: list[Exclusion] = field(default_factory=list)

    def take(self, summed: Tree, weight: float, num_bytes: int) -> None:
        """Add a weighted sum of updates."""
        self.total = trees.add(self.total, summed) if self.total else summed
        self.weight += weight
        self.upload += num_bytes

    def exclude(self, clients: Sequence[str], reason: str) -> None:
        """Note clients that are left out of this round."""
        self.excluded += [Exclusion(client, self.round, reason) for client in clients]

    def serve(self, method: Federate, model: Model, shared: Tree, state: Tree) -> tuple[Tree, Tree]:
        """Let the server use what came; a round without answers changes nothing."""
        if not self.weight:
            return shared, state
        return method.server_update(model, shared, state, self.combined(method))

    def combined(self, method: Federate) -> Tree:
        """Return the updates as one."""
        if method.reduce == "sum":
            return self.total
        if self.aggregate == "mean":
            return trees.scale(self.total, 1 / self.weight)
        stack = {name: torch.cat([updates[name] for updates in self.updates]) for name in self.total}
        return AGGREGATES[self.aggregate](stack, self.bad_share)


def collect(
    method: Federate,
    now: Federated,
    cohort: Array,
    crew: Crew,
    team: Team,
    privates: PrivateStore,
    key: tuple[Key, ...],
) -> Answers:
    """Have a cohort do its client updates and add them up; bad answers are left out and named."""
    answers = Answers(now.rounds, method.schedule.aggregate, method.schedule.bad_share)
    for result in crew.map(now.shared, cohort, key):
        if isinstance(result, Failure):
            answers.exclude([team.clients[result.position].id], result.reason)
        else:
            privates.put(*_take_chunk(answers, result, method, team))
    return answers


def _take_chunk(answers: Answers, chunk: Chunk, method: Federate, team: Team) -> tuple[Array, Tree]:
    """Add a chunk's updates; return whose private trees to keep, and these."""
    (updates, privates), positions = chunk.results, np.asarray(chunk.positions)
    if answers.total and not same_shapes(updates, answers.total):
        answers.exclude(_ids(team, positions), "its update has other names or shapes than the others'")
        return positions[:0], {}
    sizes = torch.from_numpy(team.rows.sizes(positions).astype(np.float64))
    weights = torch.ones_like(sizes) if method.reduce == "sum" else sizes
    # One bad client spoils the sum, so that a finite sum clears them all.
    summed = trees.weighted_sum(updates, weights)
    if not (trees.is_finite(summed) and trees.is_finite(privates)):
        good = trees.finite_clients({**updates, **{f"private/{name}": value for name, value in privates.items()}}).cpu()
        answers.exclude(_ids(team, positions[~good.numpy()]), "what it computed has numbers that are not finite")
        positions, weights = positions[good.numpy()], weights[good]
        updates, privates = trees.take(updates, good), trees.take(privates, good)
        summed = trees.weighted_sum(updates, weights)
    if len(positions):
        if answers.aggregate != "mean":
            answers.updates.append(trees.clone(updates))
        answers.take(summed, float(weights.sum()), trees.num_bytes(updates))
    return positions, privates


def _ids(team: Team, positions: Array) -> list[str]:
    return [team.clients[int(position)].id for position in positions]


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
