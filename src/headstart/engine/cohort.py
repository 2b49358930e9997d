"""A round's cohort: who is drawn, what they send, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.errors import ClientError
from headstart.core.seeds import derive, mix, numpy_generator, uniform
from headstart.core.trees import Tree
from headstart.engine.clients import Clients
from headstart.engine.clipped import noise_like
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Adding, Chunk, Failure
from headstart.engine.received import Exclusion, Federated, Traffic
from headstart.engine.sums import Sum
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
    _sum: Sum = field(init=False)

    def __post_init__(self) -> None:
        self._sum = Sum(adding_of(self.method, self.fewest), put=self.privates.put)

    @property
    def excluded(self) -> list[Exclusion]:
        """Clients that are left out of this round."""
        ids = self.clients.members
        return [Exclusion(ids[position].id, self.now.rounds, reason) for position, reason in self._sum.excluded]

    def collect(self, results: Iterable[Chunk | Failure]) -> None:
        """Add up what comes in."""
        for result in results:
            self._sum.take(result, self.clients.rows)

    def served(self, model: Model, size: int) -> Federated:
        """Let the server use what came, asked of ``size`` clients; a round without answers changes no weights.

        With noise there is no such round: noise alone hides that nobody answered.
        """
        shared, state = self.now.shared, self.now.state
        if self._sum.heaviest.total or self.method.schedule.noise_multiplier:
            share = self._sum.heaviest.count / len(self.clients.members)
            shared, state = self.method.server_update(model, shared, state, self._combined(), share)
        traffic = Traffic(
            self.now.traffic.download + trees.num_bytes(self.now.shared) * size,
            self.now.traffic.upload + self._sum.upload,
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
        heaviest, is_mean = self._sum.heaviest, self._sum.adding.is_mean
        position = heaviest.position if is_mean and heaviest.is_too_heavy else None
        return [] if position is None else [self.clients.members[position].id]

    def _combined(self) -> Tree:
        """Return the updates as one."""
        schedule = self.method.schedule
        if self.method.reduce == "sum":
            return self._sum.total
        if self.method.reduce == "each":
            return self._sum.stack
        if schedule.noise_multiplier:
            return self._noisy(schedule)
        if schedule.aggregate == "mean":
            return self._sum.heaviest.mean(self._sum.total)
        return AGGREGATES[schedule.aggregate](self._sum.stack, schedule.bad_share)

    def _noisy(self, schedule: Schedule) -> Tree:
        """Return the mean over a cohort of the expected size: who failed or dropped out adds nothing to its sum.

        Raises:
            ClientError: so few clients answered that their own noise is less than the round's.
        """
        summed, size = (
            self._sum.total or trees.zeros_like(self.now.shared),
            schedule.cohort_of(len(self.clients.members)),
        )
        if self.fewest:
            _check_noise(self._sum.heaviest.count, self.fewest, self.now.rounds)
            return trees.scale(summed, 1 / size)
        deviation = schedule.noise_multiplier * (schedule.clip_norm or 0.0)
        noise = noise_like(summed, deviation, self.seed, "noise", self.now.rounds)
        return trees.scale(trees.add(summed, noise), 1 / size)


def adding_of(method: Federate, fewest: int = 0) -> Adding:
    """Return how a method's updates are added up.

    Args:
        method: whose round.
        fewest: as of a :class:`Cohort`.
    """
    schedule = method.schedule
    return Adding(
        # What has noise already was clipped before, and is longer.
        clip_norm=None if fewest and schedule.noise_multiplier else schedule.clip_norm,
        is_equal=method.reduce != "mean" or schedule.clip_norm is not None,
        is_mean=method.reduce == "mean" and schedule.aggregate == "mean" and schedule.clip_norm is None,
        needs_all=method.reduce == "each" or schedule.aggregate != "mean",
    )


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


def _check_noise(answers: int, fewest: int, round_number: int) -> None:
    """Stop the run where clients' own noise together is too little.

    Raises:
        ClientError: fewer clients answered than each of them reckoned with.
    """
    if answers < fewest:
        raise ClientError(
            f"round {round_number}: {answers} clients answered, whose noise together is less than noise_multiplier "
            f"says: it takes {fewest}; lower client_dropout"
        )
