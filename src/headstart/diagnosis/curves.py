"""Until how many examples per client sharing pays, from learning curves of heads on fewer examples.

Two curves are measured, both by exact leave-one-out of one head on ``m`` examples: ``own(m)``, of one client's, and
``mixed(m)``, of as many from all clients in turn. Their difference at equal numbers is what mixing costs; it hardly
depends on ``m``. With ``K`` clients of ``n`` examples the shared head has learned from ``K n``, so that sharing pays
while ``mixed(K n) < own(n) = mixed(n) - cost``: until the two are equal.

Beyond what can be measured ``mixed`` follows the learning curve of a Gaussian process on the features' spectrum,
``e = sum_j s_j / (1 + m s_j / (noise + e))`` (Sollich, NIPS 1998, https://papers.nips.cc/paper/1501; Opper and
Vivarelli, NIPS 1998), with the signal ``s_j`` spread over the directions as a power of their variances: two numbers
are fitted, the share of the signal and that power.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import optimize, special
from torch import Tensor

from headstart.core import seeds
from headstart.core.arrays import Array
from headstart.diagnosis.heads import Part, Shared, squared_alone

_FEWEST_EXAMPLES, _MOST_EXAMPLES = 16, 240
"""Examples of a client: with fewer it is left out, of more it gives as many."""
_SMALLEST, _LARGEST = 8, 2000
"""Examples of a head."""
_MOST_CLIENTS, _MOST_ROWS, _ALL_ROWS = 30, 2400, 10_000
_CONFIDENCE = 0.9
_POWER, _POWER_SPREAD, _ERROR = 1.6, 0.2, 0.01
"""What the power is expected to be (spread: of its logarithm), and how far a measured error is off."""
_REACH = (2.0, 1e5)
"""Examples per client among which the crossing is looked for."""


@dataclass(frozen=True)
class Curves:
    """Squared errors of heads by the number of examples per client.

    Attributes:
        clients: whose examples the shared head learns from.
        examples: of a client, most that were measured.
        cost: how much larger the error of a head on mixed examples is than on as many of one client.
        own: measured ``(examples per client, error)`` of a client's own head.
        shared: measured ``(examples per client, error)`` of the shared head.
        fitted: ``(examples per client, own, shared)`` of the curves, on past what was measured.
        until: examples per client until which sharing pays; None where that is beyond 100,000, 0 where it never does.
        low: lower end of its 90 % band, by how far clients' costs differ; None as ``until``.
        high: upper end.
    """

    clients: int
    examples: int
    cost: float
    own: tuple[tuple[float, float], ...]
    shared: tuple[tuple[float, float], ...]
    fitted: tuple[tuple[float, float, float], ...]
    until: float | None
    low: float | None
    high: float | None

    @classmethod
    def measure(cls, train: Sequence[Part], pool: Shared, num_classes: int, *, seed: int = 0) -> Curves | None:
        """Measure the curves and extrapolate them; None with fewer than two clients of 16 training examples.

        Args:
            train: per client features ``(n, d)`` and labels ``(n,)``.
            pool: how the features are scaled.
            num_classes: number of classes.
            seed: of the examples that are drawn.
        """
        generator = seeds.numpy_generator(seed, "diagnosis", "curves")
        clients = _clients(train, pool, num_classes, generator)
        if len(clients) < 2:
            return None
        size, count = len(clients[0][0]), sum(len(labels) > 0 for _, labels in train)
        measured = _Measured.of(clients, size, generator)
        mixed = _fit(measured.mixed, _spectrum(clients), float(1 - _shares(clients).square().sum()))
        costs = measured.cost_at(size)
        cost, off = float(costs.mean()), _half_width(costs)
        ends = [_crossing(mixed, count, value) for value in (cost, cost + off, cost - off)]
        until, low, high = (end if np.isfinite(end) else None for end in ends)
        grid = np.geomspace(max(4, size / 8), 4 * max(size, min(until or size, 25 * size)), 40).tolist()
        return cls(
            clients=count,
            examples=size,
            cost=cost,
            own=tuple((m, error) for m, error in measured.own.items()),
            shared=tuple((m / len(clients), error) for m, error in measured.mixed.items() if m >= len(clients)),
            fitted=tuple((n, mixed(n) - cost, mixed(count * n)) for n in grid),
            until=until,
            low=low,
            high=high,
        )


@dataclass(frozen=True, eq=False)
class _Measured:
    """Errors by the number of examples of a head; ``costs`` are ``(clients,)`` for each number of ``own``."""

    own: dict[float, float]
    mixed: dict[float, float]
    costs: dict[int, Array]

    @classmethod
    def of(cls, clients: Sequence[tuple[Tensor, Tensor]], size: int, generator: np.random.Generator) -> _Measured:
        """Measure heads of one client's examples, and of all clients', each on half as many as the one before."""
        total = size * len(clients)
        numbers = [size // 2**power for power in range(3) if size // 2**power >= _SMALLEST]
        halves = [total // 2**power for power in range(12)]
        sizes = sorted({m for m in halves if _SMALLEST <= m <= _LARGEST} | set(numbers))
        # What mixing costs is a small difference: of few examples it is measured often.
        often = int(np.clip(_ALL_ROWS // total, 2, 8))
        own = {m: np.mean([_own(clients, m, generator) for _ in range(often)], axis=0) for m in numbers}
        repeats = {m: often if m <= size else 2 for m in sizes}
        mixed = {m: np.mean([_mixed(clients, m, generator) for _ in range(repeats[m])], axis=0) for m in sizes}
        return cls(
            own={m: float(errors.mean()) for m, errors in own.items()},
            mixed={m: float(errors.mean()) for m, errors in mixed.items()},
            costs={m: mixed[m] - own[m] for m in numbers},
        )

    def cost_at(self, size: int) -> Array:
        """Return every client's cost of mixing, mean over the numbers near its size ``(clients,)``."""
        found: Array = np.mean([cost for m, cost in self.costs.items() if m >= size / 4], axis=0)
        return found


def _half_width(costs: Array) -> float:
    """Return by how much the mean over clients may be off, by Student's t: of two clients hardly anything is known."""
    quantile = float(special.stdtrit(len(costs) - 1, (1 + _CONFIDENCE) / 2))
    return quantile * float(costs.std(ddof=1)) / float(np.sqrt(len(costs)))


def _clients(
    train: Sequence[Part], pool: Shared, num_classes: int, generator: np.random.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Return designs and targets of equally many examples of every client that has enough."""
    able = [part for part in train if len(part[1]) >= _FEWEST_EXAMPLES]
    if not able:
        return []
    size = min(_MOST_EXAMPLES, int(np.quantile([len(labels) for _, labels in able], 0.25)))
    able = [part for part in able if len(part[1]) >= size]
    chosen = generator.permutation(len(able))[:_MOST_CLIENTS]
    rows = [(able[k], generator.permutation(len(able[k][1]))[:size]) for k in chosen]
    return [(pool.design(features[at]), _one_hot(labels[at], num_classes)) for (features, labels), at in rows]


def _one_hot(labels: Array, num_classes: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), num_classes).double()


def _own(clients: Sequence[tuple[Tensor, Tensor]], m: int, generator: np.random.Generator) -> Array:
    """Return every client's error of heads on ``m`` of its examples."""
    return np.array([float(_errors(*client, m, generator).mean()) for client in clients])


def _mixed(clients: Sequence[tuple[Tensor, Tensor]], m: int, generator: np.random.Generator) -> Array:
    """Return every client's error of heads on ``m`` examples, of all clients in turn."""
    size, count = len(clients[0][0]), len(clients)
    places = np.stack([generator.permutation(size) for _ in range(count)])
    turns = np.stack([generator.permutation(count) for _ in range(size)])
    owner = turns.reshape(-1)
    rows = owner * size + places[owner, np.repeat(np.arange(size), count)]
    # The rows come in turn, so that any number of the first has as many of every client.
    rows = rows[: max(m, _MOST_ROWS)]
    design, targets = (torch.cat(parts)[rows] for parts in zip(*clients, strict=True))
    errors = np.concatenate(
        [squared_alone(design[at : at + m], targets[at : at + m]).numpy() for at in range(0, len(rows) - m + 1, m)]
    )
    owner = owner[: len(errors)]
    sums, counts = np.bincount(owner, errors, count), np.bincount(owner, minlength=count)
    means: Array = np.where(counts > 0, sums / np.maximum(counts, 1), errors.mean())
    return means


def _errors(design: Tensor, targets: Tensor, m: int, generator: np.random.Generator) -> Array:
    order = generator.permutation(len(design))
    groups = [order[at : at + m] for at in range(0, len(order) - m + 1, m)]
    return np.concatenate([squared_alone(design[rows], targets[rows]).numpy() for rows in groups])


def _spectrum(clients: Sequence[tuple[Tensor, Tensor]]) -> Array:
    """Return the shares of the features' variance by direction."""
    rows = torch.cat([design[:, :-1] for design, _ in clients])
    rows = rows - rows.mean(0)
    values = torch.linalg.eigvalsh(rows.mT @ rows if len(rows) > rows.shape[1] else rows @ rows.mT).clamp_min(0).numpy()
    kept = values[values > 1e-9 * max(float(values.max()), 1e-300)]
    found: Array = kept / kept.sum() if len(kept) else np.ones(1)
    return found


def _shares(clients: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.cat([targets for _, targets in clients]).mean(0)


def _fit(measured: dict[float, float], spectrum: Array, variance: float) -> Callable[[float], float]:
    """Return the learning curve that is nearest to what was measured.

    Args:
        measured: error by the number of examples.
        spectrum: shares of the variance.
        variance: of the labels: the error without any example.
    """

    def curve(m: float, logit: float, power: float) -> float:
        signal = variance / (1 + np.exp(-logit))
        weights = spectrum ** np.exp(power)
        return _error(m, signal * weights / weights.sum(), variance - signal)

    def off(parameters: Array) -> Array:
        found = [(curve(m, *parameters) - error) / _ERROR for m, error in measured.items() if m >= 1.5 * _SMALLEST]
        return np.array([*found, (parameters[1] - np.log(_POWER)) / _POWER_SPREAD])

    best = optimize.least_squares(off, [0.0, np.log(_POWER)]).x.tolist()
    return lambda m: curve(m, *best)


def _error(m: float, signal: Array, noise: float) -> float:
    """Return the error of a Gaussian process that learned from ``m`` examples, by its fixed point."""
    rest = float(signal.sum())
    for _ in range(200):
        new = float((signal / (1 + m * signal / max(noise + rest, 1e-12))).sum())
        if abs(new - rest) < 1e-9:
            break
        rest = (rest + new) / 2
    return noise + rest


def _crossing(mixed: Callable[[float], float], clients: int, cost: float) -> float:
    """Return the examples per client at which sharing gains nothing; infinite beyond reach, 0 below it."""
    low, high = np.log(_REACH)

    def gain(log: float) -> float:
        return mixed(np.exp(log)) - mixed(clients * np.exp(log)) - cost

    grid = np.linspace(low, high, 24)
    gains = [gain(at) for at in grid]
    if gains[-1] > 0:
        return float("inf")
    last = max((at for at, value in enumerate(gains) if value > 0), default=-1)
    return 0.0 if last < 0 else float(np.exp(optimize.brentq(gain, grid[last], grid[last + 1], xtol=1e-3)))
