"""What rounds under noise promise a client: the epsilon of user-level differential privacy, known from settings alone.

What is protected is whether a client took part at all, with all its examples, from whoever sees every shared model of
a run. The number of clients counts as known. Each client takes part in a round on its own with the same probability,
and the noise on the sum has a standard deviation of ``noise_multiplier`` clip norms (McMahan, Ramage, Talwar, Zhang:
Learning Differentially Private Recurrent Language Models. ICLR 2018. https://arxiv.org/abs/1710.06963); rounds are
composed as privacy loss distributions by ``dp-accounting``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from headstart.core.errors import require
from headstart.core.plain import finite

if TYPE_CHECKING:
    from dp_accounting.dp_event import DpEvent

EXTRA = "privacy"
"""What installs the accountant."""

MOST_DELTA = 1e-5
"""Of few clients: a promise that may fail for one client in so many of them would be none."""

_STEPS, _SMALLEST = 1e4, 1e-4
"""Of the grid on which privacy losses are added up: steps up to about epsilon, and the smallest one that is taken. The
grid errs on the safe side."""

_TINY = 1e-9
"""Noise of a single release that is none."""

_LEAST = 0.02
"""Noise below which a number would only look like a promise: of rounds that some clients join it is above 10,000."""


@dataclass(frozen=True)
class NoisyRounds:
    """Rounds of one stage.

    Attributes:
        rounds: how many.
        share: of the clients that take part in a round, each with this probability, in (0, 1].
        noise: standard deviation on the sum of a round's updates, in what one client adds at the most; 0 without.
    """

    rounds: int
    share: float
    noise: float


class _Federated(Protocol):
    """The part of a federated method that its privacy depends on."""

    @property
    def schedule(self) -> Any:
        """Has ``rounds``, ``noise_multiplier`` and ``cohort_of``."""
        ...


@dataclass(frozen=True)
class Privacy:
    """What an arm promises each of its clients.

    Attributes:
        epsilon: of one run; None where a federated stage has no noise, which promises nothing.
        delta: with which probability the promise may fail.
        clients: that take part.
        runs: on the same clients, that trials made to choose the arm's settings; 1 without a choice.
        all_runs: epsilon of all these runs together; None as above.
        to_server: the same where the server sees each client's update, with that client's own noise alone on it; None
            where it does not, or as above.
        own_noise: whether clients draw their noise themselves, so that no one knows all of it.
    """

    epsilon: float | None
    delta: float
    clients: int
    runs: int = 1
    all_runs: float | None = None
    to_server: float | None = None
    own_noise: bool = False

    def as_json(self) -> dict[str, float | None]:
        """Return plain values for a record."""
        return asdict(self)


def privacy_of(
    federate: Sequence[_Federated], clients: int, runs: int = 1, lost: float | None = None, *, masked: bool = False
) -> Privacy | None:
    """Return what an arm's federated stages promise together; None where none of them has noise.

    Args:
        federate: the stages, in order, all with the same clients.
        clients: that take part, those with training examples.
        runs: on the same clients, that trials made to choose the settings.
        lost: share of a cohort that may be lost where clients add their own noise; None where it is added to their sum.
        masked: whether the server sees no single update.

    Raises:
        MissingExtra: the accountant is not installed.
    """
    stages = [_rounds_of(method.schedule, clients) for method in federate]
    if not any(stage.noise for stage in stages):
        return None
    delta = delta_for(clients)
    once, often = epsilon_of(stages, delta), epsilon_of(stages * runs, delta)
    seen = [] if lost is None or masked else [_own_rounds(method.schedule, clients, lost) for method in federate]
    to_server = finite(epsilon_of(seen * runs, delta)) if seen else None
    return Privacy(finite(once), delta, clients, runs, finite(often), to_server, lost is not None)


def delta_for(clients: int) -> float:
    """Return the delta of a study: one over clients to the power of 1.1, as McMahan et al. do, at most 1e-5.

    >>> delta_for(10), round(delta_for(1_000_000) * 1e7, 2)
    (1e-05, 2.51)
    """
    return min(MOST_DELTA, math.pow(clients, -1.1))


def epsilon_of(stages: Sequence[NoisyRounds], delta: float) -> float:
    """Return the epsilon of stages together; infinite if one has no noise, or next to none, 0 without any.

    It is exact where all clients take part in all rounds, else at most some thousandths too large.

    Args:
        stages: with the same clients.
        delta: in (0, 1).

    Raises:
        MissingExtra: the accountant is not installed.

    >>> full, part = NoisyRounds(100, 1.0, 10.0), NoisyRounds(100, 0.1, 1.0)
    >>> round(epsilon_of([full], 1e-5), 2), round(epsilon_of([part], 1e-5), 2), round(epsilon_of([full, part], 1e-5), 2)
    (4.38, 7.05, 8.58)
    """
    if any(stage.noise < _LEAST for stage in stages):
        return math.inf
    if all(stage.share == 1 for stage in stages):
        return gaussian_epsilon([stage.noise / math.sqrt(stage.rounds) for stage in stages], delta)
    return _sampled_epsilon(_merged(stages), delta)


def events_of(stages: Iterable[NoisyRounds]) -> DpEvent:
    """Return stages as an accountant knows them."""
    dp = require("dp_accounting", EXTRA)
    events = [dp.SelfComposedDpEvent(_round(dp, stage), stage.rounds) for stage in stages]
    return dp.ComposedDpEvent(events)


def gaussian_epsilon(noises: Sequence[float], delta: float) -> float:
    """Return the epsilon of Gaussian releases together; infinite if one has no noise, 0 without any.

    Together they are as one release whose squared precision is the sum of theirs (Dong, Roth, Su: Gaussian Differential
    Privacy. JRSS B 2022, corollary 3.3), whose epsilon is exact (``dp-accounting``).

    Args:
        noises: standard deviation of each, in what one client adds at the most.
        delta: in (0, 1).

    Raises:
        MissingExtra: the accountant is not installed.

    >>> round(gaussian_epsilon([1.0], 1e-5), 2), round(gaussian_epsilon([2.0] * 4, 1e-5), 2)
    (4.38, 4.38)
    """
    if not noises:
        return 0.0
    if min(noises) < _TINY:
        return math.inf
    # A second of imports, which only those pay who add noise.
    dp = require("dp_accounting", EXTRA)
    return float(dp.get_epsilon_gaussian(1 / math.sqrt(sum(noise**-2 for noise in noises)), delta))


def _rounds_of(schedule: Any, clients: int) -> NoisyRounds:
    return NoisyRounds(schedule.rounds, schedule.cohort_of(clients) / clients, schedule.noise_multiplier)


def _merged(stages: Iterable[NoisyRounds]) -> tuple[NoisyRounds, ...]:
    """Return stages of which no two have the same rounds."""
    rounds: Counter[tuple[float, float]] = Counter()
    for stage in stages:
        rounds[stage.share, stage.noise] += stage.rounds
    return tuple(NoisyRounds(count, share, noise) for (share, noise), count in sorted(rounds.items()))


@cache
def _sampled_epsilon(stages: tuple[NoisyRounds, ...], delta: float) -> float:
    """Return epsilon where not all clients take part in all rounds; found once, for it takes a while."""
    rough = _on_grid(stages, delta, _bound(stages, delta))
    return _on_grid(stages, delta, rough)


def _own_rounds(schedule: Any, clients: int, lost: float) -> NoisyRounds:
    """Return rounds as the server sees them: it knows who takes part, and each update has its own noise."""
    return NoisyRounds(schedule.rounds, 1.0, schedule.own_noise(schedule.fewest_of(clients, lost)))


def _round(dp: Any, stage: NoisyRounds) -> Any:
    gaussian = dp.GaussianDpEvent(stage.noise)
    return gaussian if stage.share == 1 else dp.PoissonSampledDpEvent(stage.share, gaussian)


def _bound(stages: Sequence[NoisyRounds], delta: float) -> float:
    """Return an epsilon that is too large but found in no time, by Rényi divergences; 0 for about none."""
    # Such divergences are smaller than the rounding of what they are made of.
    if all(stage.noise >= 1 and stage.share * math.sqrt(stage.rounds) < 0.01 * stage.noise for stage in stages):
        return 0.0
    from dp_accounting.rdp import RdpAccountant

    return float(RdpAccountant(orders=range(2, 129)).compose(events_of(stages)).get_epsilon(delta))


def _on_grid(stages: Sequence[NoisyRounds], delta: float, about: float) -> float:
    """Return epsilon from privacy loss distributions on a grid that suits what it is about."""
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(value_discretization_interval=max(_SMALLEST, about / _STEPS))
    return float(accountant.compose(events_of(stages)).get_epsilon(delta))
