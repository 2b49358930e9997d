"""What noisy releases reveal together: epsilon from noise, and the noise that an epsilon needs.

A release adds up what some of many have to say, each of them there on its own with the same probability, and each of
bounded length; Gaussian noise goes on top. The many are a client's examples (Abadi et al.: Deep Learning with
Differential Privacy. CCS 2016. https://arxiv.org/abs/1607.00133) or the clients of a round (McMahan et al.: Learning
Differentially Private Recurrent Language Models. ICLR 2018. https://arxiv.org/abs/1710.06963). Releases are composed as
privacy loss distributions by ``dp-accounting``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from headstart.core.errors import SettingError, require

if TYPE_CHECKING:
    from dp_accounting.dp_event import DpEvent

EXTRA = "privacy"
"""What installs the accountant."""

MOST_DELTA = 1e-5
"""Of few: a promise that may fail for one in so many of them would be none."""

_STEPS, _SMALLEST = 1e4, 1e-4
"""Of the grid on which privacy losses are added up: steps up to about epsilon, and the smallest one that is taken. The
grid errs on the safe side."""

_TINY = 1e-9
"""Noise of a single release that is none."""

_LEAST = 0.02
"""Noise below which a number would only look like a promise: of releases that some join it is above 10,000."""

_COARSE, _CLOSE = 2e3, 2e-3
"""Of a search for noise: steps of the grid up to epsilon, and how far below its epsilon it may end."""

_MOST_NOISE = 1e6
"""Above it there is none for an epsilon: that is next to 0."""


@dataclass(frozen=True)
class Releases:
    """Releases of one kind.

    Attributes:
        times: how many.
        share: of the many that take part in each, every one with this probability, in (0, 1].
        noise: standard deviation on the sum, in what one adds at the most; 0 without.
    """

    times: int
    share: float
    noise: float


def delta_for(many: int) -> float:
    """Return the delta of a promise to so many: one over their number to the power of 1.1, at most 1e-5.

    >>> delta_for(10), round(delta_for(1_000_000) * 1e7, 2)
    (1e-05, 2.51)
    """
    return min(MOST_DELTA, math.pow(many, -1.1))


def epsilon_of(releases: Sequence[Releases], delta: float) -> float:
    """Return the epsilon of releases together; infinite if one has no noise, or next to none, 0 without any.

    It is exact where all take part in all releases, else at most some thousandths too large.

    Args:
        releases: about the same many.
        delta: in (0, 1).

    Raises:
        MissingExtra: the accountant is not installed.

    >>> full, part = Releases(100, 1.0, 10.0), Releases(100, 0.1, 1.0)
    >>> round(epsilon_of([full], 1e-5), 2), round(epsilon_of([part], 1e-5), 2), round(epsilon_of([full, part], 1e-5), 2)
    (4.38, 7.05, 8.58)
    """
    if any(one.noise < _LEAST for one in releases):
        return math.inf
    if all(one.share == 1 for one in releases):
        return gaussian_epsilon([one.noise / math.sqrt(one.times) for one in releases], delta)
    return _sampled_epsilon(_merged(releases), delta)


def events_of(releases: Iterable[Releases]) -> DpEvent:
    """Return releases as an accountant knows them."""
    dp = require("dp_accounting", EXTRA)
    events = [dp.SelfComposedDpEvent(_event(dp, one), one.times) for one in releases]
    return dp.ComposedDpEvent(events)


def gaussian_epsilon(noises: Sequence[float], delta: float) -> float:
    """Return the epsilon of Gaussian releases together; infinite if one has no noise, 0 without any.

    Together they are as one release whose squared precision is the sum of theirs (Dong, Roth, Su: Gaussian Differential
    Privacy. JRSS B 2022, corollary 3.3), whose epsilon is exact (``dp-accounting``).

    Args:
        noises: standard deviation of each, in what one adds at the most.
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


@cache
def noise_for(epsilon: float, delta: float, times: int, share: float) -> float:
    """Return the least noise with which so many releases keep within an epsilon, by some thousandths too large.

    Args:
        epsilon: above 0.
        delta: in (0, 1).
        times: releases.
        share: of the many that take part in each, in (0, 1].

    Raises:
        SettingError: no noise up to a million is enough.
        MissingExtra: the accountant is not installed.

    >>> noise = noise_for(2.0, 1e-5, 400, 0.05)
    >>> round(noise, 2), 1.99 < epsilon_of([Releases(400, 0.05, noise)], 1e-5) <= 2
    (2.19, True)
    """
    one = Releases(times, share, min(max(_LEAST, _guess(epsilon, delta, times, share)), _MOST_NOISE))
    low, high = math.log(_LEAST), math.log(_MOST_NOISE)
    while high - low > 1e-6:
        found = _quickly(one, delta, epsilon)
        if (1 - _CLOSE) * epsilon <= found <= epsilon:
            return one.noise
        low, high = (low, math.log(one.noise)) if found <= epsilon else (math.log(one.noise), high)
        # Epsilon is about one over the noise; where it is not, the middle is nearer.
        aim = math.log(one.noise * found / epsilon) + _CLOSE / 2 if found < math.inf else high
        margin = 0.05 * (high - low)
        one = replace(one, noise=math.exp(aim if low + margin < aim < high - margin else (low + high) / 2))
    if math.exp(high) >= 0.99 * _MOST_NOISE:
        raise SettingError(
            f"epsilon: must be one that some noise can keep, received {epsilon:g} for {times} steps; give a larger one"
        )
    return math.exp(high)


def _guess(epsilon: float, delta: float, times: int, share: float) -> float:
    """Return about the noise that is needed, by the central limit of many releases (Dong, Roth, Su, corollary 5.4)."""
    dp = require("dp_accounting", EXTRA)
    # Of one Gaussian release with the same epsilon.
    mu = 1 / float(dp.get_sigma_gaussian(epsilon, delta))
    return 1 / math.sqrt(math.log1p((mu / share) ** 2 / times))


def _quickly(one: Releases, delta: float, about: float) -> float:
    return gaussian_epsilon([one.noise / math.sqrt(one.times)], delta) if one.share == 1 else _coarse(one, delta, about)


def _coarse(one: Releases, delta: float, about: float) -> float:
    return _on_grid([one], delta, max(_SMALLEST, about / _COARSE))


def _merged(releases: Iterable[Releases]) -> tuple[Releases, ...]:
    """Return releases of which no two kinds are the same."""
    times: Counter[tuple[float, float]] = Counter()
    for one in releases:
        times[one.share, one.noise] += one.times
    return tuple(Releases(count, share, noise) for (share, noise), count in sorted(times.items()))


@cache
def _sampled_epsilon(releases: tuple[Releases, ...], delta: float) -> float:
    """Return epsilon where not all take part in all releases; found once, for it takes a while."""
    rough = _on_grid(releases, delta, max(_SMALLEST, _bound(releases, delta) / _STEPS))
    return _on_grid(releases, delta, max(_SMALLEST, rough / _STEPS))


def _event(dp: Any, one: Releases) -> Any:
    gaussian = dp.GaussianDpEvent(one.noise)
    return gaussian if one.share == 1 else dp.PoissonSampledDpEvent(one.share, gaussian)


def _bound(releases: Sequence[Releases], delta: float) -> float:
    """Return an epsilon that is too large but found in no time, by Rényi divergences; 0 for about none."""
    # Such divergences are smaller than the rounding of what they are made of.
    if all(one.noise >= 1 and one.share * math.sqrt(one.times) < 0.01 * one.noise for one in releases):
        return 0.0
    from dp_accounting.rdp import RdpAccountant

    return float(RdpAccountant(orders=range(2, 129)).compose(events_of(releases)).get_epsilon(delta))


def _on_grid(releases: Sequence[Releases], delta: float, step: float) -> float:
    """Return epsilon from privacy loss distributions on a grid of such steps."""
    from dp_accounting.pld import PLDAccountant

    return float(PLDAccountant(value_discretization_interval=step).compose(events_of(releases)).get_epsilon(delta))
