"""A round's cohort: who is drawn, what they send, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.errors import ClientError
from headstart.core.seeds import derive, mix, numpy_generator, uniform
from headstart.core.trees import Tree
from headstart.engine.clients import Clients
from headstart.engine.clipped import clip_factors, noise_like
from headstart.engine.heaviest import Heaviest
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Chunk, Failure
from headstart.engine.received import Exclusion, Federated, Traffic
from headstart.federate.protocol import Federate, Schedule
from headstart.federate.robust import AGGREGATES
from headstart.models.model import Model


def sample_cohort(population: int, schedule: Schedule, seed: int, round_number: int) -> Array:
    """Draw the clients of one round, without replacement; those that drop out are not among them.

    Under noise each client is drawn on its own, as the accounting of its privacy wants it; else a cohort has its size.
    """
    generator = numpy_generator(seed, "cohort", round_number)
    size = schedule.cohort_of(population)
    if size == population:
        chosen = np.arange(size)
    elif schedule.noise_multiplier:
        chosen = np.flatnonzero(generator.random(population) < size / population)
    else:
        chosen = np.sort(generator.choice(population, size=size, replace=False))
    if not schedule.client_dropout:
        return chosen
    draws = mix(mix(chosen.astype(np.uint64)) ^ np.uint64(derive(seed, "dropout", round_number)))
    return chosen[uniform(draws) >= schedule.client_dropout]


@dataclass(eq=False)
class Cohort:
    """What the clients of one round sent, added up as it comes in; bad answers are left out and named.

    Attributes:
        method: whose round.
        clients: by position.
        privates: where their private trees are kept.
        now: what the stage has come to before this round.
        seed: of the noise, if there is any.
        fewest: answers whose own noise makes up a round's; 0 where noise is drawn here.
    """

    method: Federate
    clients: Clients
    privates: PrivateStore
    now: Federated
    seed: int = 0
    fewest: int = 0
    excluded: list[Exclusion] = field(default_factory=list, init=False)
    _total: Tree = field(default_factory=dict, init=False)
    _updates: list[Tree] = field(default_factory=list, init=False)
    _heaviest: Heaviest = field(default_factory=Heaviest, init=False)
    _upload: int = field(default=0, init=False)

    def collect(self, results: Iterable[Chunk | Failure]) -> None:
        """Add up what comes in."""
        for result in results:
            if isinstance(result, Failure):
                self._exclude([result.position], result.reason)
            else:
                self._take(result)

    def served(self, model: Model, size: int) -> Federated:
        """Let the server use what came, asked of ``size`` clients; a round without answers changes no weights.

        With noise there is no such round: noise alone hides that nobody answered.
        """
        shared, state = self.now.shared, self.now.state
        if self._heaviest.total or self.method.schedule.noise_multiplier:
            shared, state = self.method.server_update(model, shared, state, self._combined())
        traffic = Traffic(
            self.now.traffic.download + trees.num_bytes(self.now.shared) * size, self.now.traffic.upload + self._upload
        )
        excluded = (*self.now.excluded, *self.excluded)
        return replace(
            self.now,
            shared=shared,
            state=state,
            traffic=traffic,
            excluded=excluded,
            rounds=self.now.rounds + 1,
            halved=tuple(dict.fromkeys((*self.now.halved, *self._halved()))),
        )

    def _halved(self) -> list[str]:
        """Name the client that would have weighed more than all others together in a mean, if there is one."""
        position = self._heaviest.position if self._is_mean and self._heaviest.is_too_heavy else None
        return [] if position is None else [self.clients.members[position].id]

    @property
    def _is_mean(self) -> bool:
        """Whether updates are averaged by numbers of examples."""
        schedule = self.method.schedule
        return self.method.reduce == "mean" and schedule.aggregate == "mean" and schedule.clip_norm is None

    def _take(self, chunk: Chunk) -> None:
        """Add a chunk's updates, and keep its private trees."""
        (updates, privates), positions = chunk.results, np.asarray(chunk.positions)
        if self._total and not _same_shapes(updates, self._total):
            self._exclude(positions, "its update has other names or shapes than the others'")
            return
        # One bad client spoils the sum, so that a finite sum clears them all.
        summed = self._summed(updates, positions)
        if not (trees.is_finite(summed) and trees.is_finite(privates)):
            good = _finite(updates, privates)
            self._exclude(positions[~good.numpy()], "what it computed has numbers that are not finite")
            positions, updates, privates = (
                positions[good.numpy()],
                trees.take(updates, good),
                trees.take(privates, good),
            )
            summed = self._summed(updates, positions)
        if len(positions):
            self._add(summed, updates, positions)
        self.privates.put(positions, privates)

    def _summed(self, updates: Tree, positions: Array) -> Tree:
        """Add up a stack of updates, each clipped and weighted as the method says."""
        schedule, weights = self.method.schedule, self._weights(positions)
        # What has noise already was clipped before, and is longer.
        norm = None if self.fewest and schedule.noise_multiplier else schedule.clip_norm
        return trees.weighted_sum(updates, weights if norm is None else weights * clip_factors(updates, norm))

    def _weights(self, positions: Array) -> torch.Tensor:
        """Return what each client's update counts."""
        sizes = torch.from_numpy(self.clients.rows.sizes(positions).astype(np.float64))
        is_equal = self.method.reduce == "sum" or self.method.schedule.clip_norm is not None
        return torch.ones_like(sizes) if is_equal else sizes

    def _add(self, summed: Tree, updates: Tree, positions: Array) -> None:
        if self.method.schedule.aggregate != "mean":
            self._updates.append(trees.clone(updates))
        self._total = trees.add(self._total, summed) if self._total else summed
        self._heaviest.note(updates if self._is_mean else {}, self._weights(positions), positions)
        self._upload += trees.num_bytes(updates)

    def _exclude(self, positions: Sequence[int] | Array, reason: str) -> None:
        """Note clients that are left out of this round."""
        names = [self.clients.members[int(position)].id for position in positions]
        self.excluded += [Exclusion(name, self.now.rounds, reason) for name in names]

    def _combined(self) -> Tree:
        """Return the updates as one."""
        schedule = self.method.schedule
        if self.method.reduce == "sum":
            return self._total
        if schedule.noise_multiplier:
            return self._noisy(schedule)
        if schedule.aggregate == "mean":
            return self._heaviest.mean(self._total)
        stack = {name: torch.cat([updates[name] for updates in self._updates]) for name in self._total}
        return AGGREGATES[schedule.aggregate](stack, schedule.bad_share)

    def _noisy(self, schedule: Schedule) -> Tree:
        """Return the mean over a cohort of the expected size: who failed or dropped out adds nothing to its sum.

        Raises:
            ClientError: so few clients answered that their own noise is less than the round's.
        """
        summed, size = self._total or trees.zeros_like(self.now.shared), schedule.cohort_of(len(self.clients.members))
        if self.fewest:
            check_noise(self._heaviest.count, self.fewest, self.now.rounds)
            return trees.scale(summed, 1 / size)
        deviation = schedule.noise_multiplier * (schedule.clip_norm or 0.0)
        noise = noise_like(summed, deviation, self.seed, "noise", self.now.rounds)
        return trees.scale(trees.add(summed, noise), 1 / size)


def _same_shapes(stack: Tree, tree: Tree) -> bool:
    """Say whether a stack's trees have the names and shapes of ``tree``."""
    return {name: value.shape[1:] for name, value in stack.items()} == {n: v.shape for n, v in tree.items()}


def check_failures(excluded: Sequence[Exclusion], cohort_size: int, allowed: float, round_number: int) -> None:
    """Stop the run when too large a share of a cohort failed.

    Raises:
        ClientError: with the first failure's reason.
    """
    if len(excluded) > allowed * cohort_size:
        first = excluded[0]
        raise ClientError(
            f"round {round_number}: {len(excluded)} of {cohort_size} clients failed, more than the share "
            f"{allowed:g} that engine.max_bad_clients allows; the first, '{first.client}': {first.reason}; "
            f"lower client_lr, or raise engine.max_bad_clients"
        )


def check_noise(answers: int, fewest: int, round_number: int) -> None:
    """Stop the run where clients' own noise together is too little.

    Raises:
        ClientError: fewer clients answered than each of them reckoned with.
    """
    if answers < fewest:
        raise ClientError(
            f"round {round_number}: {answers} clients answered, whose noise together is less than noise_multiplier "
            f"says: it takes {fewest}; lower client_dropout"
        )


def _finite(updates: Tree, privates: Tree) -> torch.Tensor:
    """Say for each client whether all that it computed is finite."""
    return trees.finite_clients({**updates, **{f"private/{name}": value for name, value in privates.items()}}).cpu()
