"""The atlas's federations: drawn by chance from all that a data set can hold, and dealt to clients.

Nobody picks a federation. For every data set the sizes, numbers of clients, label skews and layouts that it has enough
rows for are listed, and some are drawn, keyed by the data set's name; data sets with domains give two more, the natural
federations, one client a domain. What no client is dealt is fresh test data, which no arm, tuning or answer sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from atlas_sets import Pool, only
from headstart.core.arrays import Array
from headstart.core.seeds import numpy_generator
from headstart.data.federation import Client, Federation

SIZES, CLIENTS, ALPHAS = (8, 15, 30, 60, 120, 250, 500), (4, 10, 30, 100, 200), (0.1, 0.3, 1.0, None)
"""Training examples of a client, clients, and concentrations of their label mixes (None: all as in their domain)."""
DRAWS = 5
UNEVEN, MOST_UNEVEN = 0.25, 60
"""Share of the drawn federations whose clients differ in size, and the most examples of such, since stacks of clients
are as tall as the largest: for time alone."""
DEALT = 0.7
"""Share of a domain's rows that clients may hold; the others are fresh."""
FRESH, FEWEST_FRESH = 4000, 60
"""Fresh examples of all clients, and of each at least, where the data set has as many."""


@dataclass(frozen=True)
class Plan:
    """One federation, before it is dealt.

    Attributes:
        data: name of the data set.
        clients: how many.
        examples: training examples of a client, the mean over clients.
        alpha: of the clients' label mixes; None leaves every client its domain's own.
        sites: whether every client has one domain's rows only; else rows of all domains are mixed.
        uneven: whether clients' sizes differ, by a factor of about three.
    """

    data: str
    clients: int
    examples: int
    alpha: float | None
    sites: bool
    uneven: bool = False

    @property
    def name(self) -> str:
        """A name that says what it is."""
        skew = "even" if self.alpha is None else f"a{self.alpha:g}"
        where = ("sites-" if self.sites else "") + ("uneven-" if self.uneven else "")
        return f"{self.data}/{where}{skew}-k{self.clients}-n{self.examples}"


class Dealt(NamedTuple):
    """A federation whose tests hold the study's own test first, and then the fresh examples.

    Attributes:
        federation: of the clients.
        own: test examples of each client that the study may see.
    """

    federation: Federation
    own: tuple[int, ...]


def held(examples: int) -> int:
    """Return how many examples a client holds that trains on so many: train, val and test are 3 : 1 : 1."""
    return examples + 2 * max(1, round(examples / 3))


def plans(pool: Pool, seed: int = 0) -> list[Plan]:
    """Return a data set's federations, always the same."""
    generator = numpy_generator("atlas", pool.name, seed)
    found = list(_natural(pool))
    options = [plan for plan in _all(pool) if plan not in found]
    sizes = generator.permutation(sorted({plan.examples for plan in options}))
    for turn in range(DRAWS if len(sizes) else 0):
        able = [plan for plan in options if plan.examples == sizes[turn % len(sizes)] and plan not in found]
        if able:
            chosen = able[int(generator.integers(len(able)))]
            found.append(replace(chosen, uneven=bool(generator.random() < UNEVEN) and chosen.examples <= MOST_UNEVEN))
    return found


def _natural(pool: Pool) -> Iterator[Plan]:
    """Yield the largest federation of most domains, and a small one."""
    rooms = DEALT * np.bincount(pool.domain)
    if len(rooms) < 2:
        return
    able = [(int((rooms >= held(size)).sum()), size) for size in SIZES]
    most = max(size for count, size in able if count >= max(2, 0.6 * able[0][0]))
    for size in sorted({most, 15}):
        count = int((rooms >= held(size)).sum())
        if count > 1:
            yield Plan(pool.name, count, size, None, sites=True)


def _all(pool: Pool) -> Iterator[Plan]:
    """Yield every federation that the data set has enough rows for."""
    for sites in (False, True) if pool.domain.any() else (False,):
        for size in SIZES:
            for clients in CLIENTS:
                if _fits(pool, clients, size, sites):
                    yield from (Plan(pool.name, clients, size, alpha, sites) for alpha in ALPHAS)


def _fits(pool: Pool, clients: int, size: int, sites: bool) -> bool:
    rooms = _rooms(pool, held(size), sites)
    if not len(rooms) or (sites and not 2 <= len(rooms) <= clients):
        return False
    return bool((rooms >= np.ceil(clients / len(rooms)) * held(size)).all())


def _rooms(pool: Pool, needed: int, sites: bool) -> Array:
    """Return how many rows of each domain clients may hold; of those domains that have enough for one."""
    rooms = np.floor(DEALT * np.bincount(pool.domain if sites else np.zeros_like(pool.domain)))
    found: Array = rooms[rooms >= needed]
    return found


def deal(pool: Pool, plan: Plan, seed: int = 0) -> Dealt:
    """Deal a data set's rows to clients, and what is left to their fresh tests."""
    generator = numpy_generator("atlas", plan.name, seed)
    domain = pool.domain if plan.sites else np.zeros_like(pool.domain)
    able = np.flatnonzero(DEALT * np.bincount(domain) >= held(plan.examples))
    able = generator.permutation(able)[: plan.clients] if plan.sites else able
    store = _Store(pool.examples.labels, domain, generator)
    sizes = _sizes(plan, generator)
    owned = [store.take(able[at % len(able)], size, plan.alpha) for at, size in enumerate(sizes)]
    tests = [store.fresh(able[at % len(able)], own.mix, plan.clients) for at, own in enumerate(owned)]
    return _federation(pool, [own.rows for own in owned], sizes, tests)


def _sizes(plan: Plan, generator: np.random.Generator) -> list[int]:
    """Return each client's training examples; uneven ones sum to as many as even ones at most."""
    if not plan.uneven:
        return [plan.examples] * plan.clients
    shares = np.exp(0.6 * generator.standard_normal(plan.clients))
    return [max(4, int(size)) for size in plan.examples * shares / shares.mean()]


class _Own(NamedTuple):
    rows: Array
    mix: Array


class _Store:
    """The rows that nobody has yet, by domain and class."""

    def __init__(self, labels: Array, domain: Array, generator: np.random.Generator) -> None:
        self.generator, classes = generator, int(labels.max()) + 1
        self.kept: dict[tuple[int, int], list[int]] = {}
        self.free: dict[tuple[int, int], list[int]] = {}
        self.classes = range(classes)
        for number in range(int(domain.max()) + 1):
            for label in self.classes:
                rows = generator.permutation(np.flatnonzero((domain == number) & (labels == label))).tolist()
                cut = int(np.ceil((1 - DEALT) * len(rows)))
                self.kept[number, label], self.free[number, label] = rows[:cut], rows[cut:]

    def take(self, number: int, size: int, alpha: float | None) -> _Own:
        """Take a client's rows out, by a mix of classes of its own."""
        everything = np.array([len(self.kept[number, label]) for label in self.classes], dtype=float)
        mix = everything / everything.sum()
        left = np.array([len(self.free[number, label]) for label in self.classes])
        if alpha is not None:
            present = int((mix > 0).sum())
            drawn = np.where(mix > 0, self.generator.gamma(np.maximum(alpha * present * mix, 1e-9)), 0)
            mix = drawn / drawn.sum() if drawn.sum() > 0 else mix
        mix = mix * (left > 0) if (mix * (left > 0)).sum() > 0 else (left > 0).astype(float)
        mix, counts = mix / mix.sum(), np.zeros(len(mix), dtype=np.int64)
        wanted, shares = held(size), mix
        while wanted > counts.sum() and (left > counts).any():
            shares = shares * (left > counts) if (shares * (left > counts)).sum() > 1e-12 else (left > counts) * 1.0
            more = self.generator.multinomial(wanted - counts.sum(), shares / shares.sum())
            counts = np.minimum(left, counts + more)
        rows = [self.free[number, label].pop() for label in self.classes for _ in range(counts[label])]
        return _Own(self.generator.permutation(np.array(rows, dtype=np.int64)), mix)

    def fresh(self, number: int, mix: Array, clients: int) -> Array:
        """Draw a client's fresh test of what nobody holds, by the mix of its classes; clients may share examples."""
        pools = [self.kept[number, label] + self.free[number, label] for label in self.classes]
        size = max(FEWEST_FRESH, FRESH // clients)
        # A class that is short shortens the others, so that the mix stays; but rare ones don't.
        size = min([size, *(int(len(rows) / share) for rows, share in zip(pools, mix, strict=True) if share > 0.02)])
        counts = [min(len(rows), round(size * share)) for rows, share in zip(pools, mix, strict=True)]
        drawn = [
            self.generator.choice(rows, count, replace=False)
            for rows, count in zip(pools, counts, strict=True)
            if count
        ]
        return np.concatenate(drawn).astype(np.int64) if drawn else np.empty(0, np.int64)


def _federation(pool: Pool, owned: list[Array], sizes: list[int], tests: list[Array]) -> Dealt:
    """Split what clients hold, and keep the rows that are used."""
    used = np.unique(np.concatenate([*owned, *tests]))
    clients, own = [], []
    for at, (rows, size, fresh) in enumerate(zip(owned, sizes, tests, strict=True)):
        rows, fresh = np.searchsorted(used, rows), np.searchsorted(used, fresh)
        each = (held(size) - size) // 2
        train, val, test = rows[2 * each :], rows[:each], rows[each : 2 * each]
        clients.append(Client(f"{at:03}", np.sort(train), np.sort(val), np.concatenate([np.sort(test), fresh])))
        own.append(len(test))
    return Dealt(Federation(only(pool, used).examples, clients), tuple(own))
