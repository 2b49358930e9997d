"""Batches whose gradients hide single examples: who is in each of them, and the noise, drawn as accountants assume.

Every example is in every step on its own, with probability ``batch_size / examples`` (Poisson sampling), so that a step
may be large or empty; an empty one is taken too, or it would say that nobody was there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.seeds import GOLDEN, Key, derive, mix, torch_generator, uniform
from headstart.core.trees import Params
from headstart.engine.order import PADDING
from headstart.models.batch import NoisyStep
from headstart.training.client_data import Passes
from headstart.training.example_noise import ExampleNoise, share_of


class _Chance(Protocol):
    """Draws what hides one client's examples while it trains once."""

    def uniforms(self, count: int) -> Array:
        """Return the next so many numbers, uniform in (0, 1), float64."""
        ...

    def normals(self, count: int, dtype: torch.dtype) -> Tensor:
        """Return the next so many standard normal numbers, on the CPU."""
        ...


MakeChance = Callable[[tuple[Key, ...]], _Chance]
"""Makes what draws for one client: from seed, round, phase and the client's id."""


class KeyedChance:
    """A simulation's: whoever knows the key can draw the same again.

    Args:
        key: names what it is for.
    """

    def __init__(self, key: tuple[Key, ...]) -> None:
        self._seed = np.uint64(derive(*key, "who"))
        self._drawn = 0
        self._generator = torch_generator(*key, "noise")

    def uniforms(self, count: int) -> Array:
        """Return the next numbers of a stream of hashes."""
        counters = np.arange(self._drawn, self._drawn + count, dtype=np.uint64)
        self._drawn += count
        # Half a step above 0: a draw of exactly 0 has no logarithm.
        return uniform(mix(self._seed + counters * GOLDEN)) + 2.0**-65

    def normals(self, count: int, dtype: torch.dtype) -> Tensor:
        """Return the next numbers of the generator."""
        return torch.randn(count, generator=self._generator, dtype=dtype)


@dataclass(frozen=True, eq=False)
class NoisySteps:
    """Steps of a stack of clients, as positions in their examples.

    Attributes:
        positions: ``(clients, steps, width)`` int64, -1 where nobody is.
        steps: how each hides its examples.
    """

    positions: Array
    steps: Sequence[NoisyStep]


def noisy_steps(
    chances: Sequence[_Chance], sizes: Sequence[int], passes: Passes, noise: ExampleNoise, device: torch.device
) -> NoisySteps:
    """Draw the steps of clients.

    Args:
        chances: of each client.
        sizes: examples of each client.
        passes: how many steps, of how many examples.
        noise: on each.
        device: of the numbers.

    Raises:
        SettingError: it is not said for how many passes epsilon is to be enough.
    """
    counts = [passes.num_steps(size) for size in sizes]
    drawn = [sampled(*each, passes.batch_size) for each in zip(chances, sizes, counts, strict=True)]
    width = max((one.shape[1] for one in drawn), default=1)
    positions = np.full((len(sizes), max(counts, default=0), max(1, width)), PADDING, dtype=np.int64)
    for i, one in enumerate(drawn):
        positions[i, : one.shape[0], : one.shape[1]] = one
    deviations = [noise.clip * noise.of(size, passes.batch_size) if size else 0.0 for size in sizes]
    expected = torch.tensor([max(1, min(passes.batch_size, size)) for size in sizes], device=device)
    return NoisySteps(positions, [*_steps(chances, counts, deviations, expected, noise.clip)])


def sampled(chance: _Chance, size: int, steps: int, batch_size: int) -> Array:
    """Draw who is in each step: ``(steps, most in one)`` positions in order, -1 where nobody is.

    All steps are one row of ``steps * size`` throws; how far it is to the next hit is geometric.

    >>> sampled(KeyedChance((0,)), 3, 2, 5)
    array([[0, 1, 2],
           [0, 1, 2]])
    """
    hits = _hits(chance, steps * size, share_of(size, batch_size)) if size and steps else np.empty(0, dtype=np.int64)
    step, position = np.divmod(hits, max(1, size))
    counts = np.bincount(step, minlength=steps)
    found = np.full((steps, counts.max(initial=0)), PADDING, dtype=np.int64)
    found[step, np.arange(len(hits)) - np.repeat(np.cumsum(counts) - counts, counts)] = position
    return found


def _hits(chance: _Chance, throws: int, share: float) -> Array:
    """Return the numbers of the throws that hit, each on its own with the same probability."""
    if share >= 1:
        return np.arange(throws, dtype=np.int64)
    parts, last, expected = list[Array](), -1, throws * share
    while last < throws:
        gaps = 1 + np.floor(np.log(chance.uniforms(int(expected + 6 * np.sqrt(expected)) + 8)) / np.log1p(-share))
        parts.append(last + np.cumsum(np.minimum(gaps, throws + 1).astype(np.int64)))
        last = int(parts[-1][-1])
    every: Array = np.concatenate(parts)
    return every[every < throws]


def _steps(
    chances: Sequence[_Chance], counts: Sequence[int], deviations: Sequence[float], expected: Tensor, clip: float
) -> Iterator[NoisyStep]:
    for step in range(max(counts, default=0)):
        goes = [step < count for count in counts]

        def noise(tree: Params, goes: Sequence[bool] = goes) -> Params:
            return _noise(chances, np.where(goes, deviations, 0.0).tolist(), tree)

        yield NoisyStep(clip, expected, torch.tensor(goes, device=expected.device), noise)


def _noise(chances: Sequence[_Chance], deviations: Sequence[float], stack: Params) -> Params:
    """Draw the noise of a stack, each client's in one piece, by names in order; none for those without.

    A tree that was read has another order than one that was made.
    """
    names = sorted(stack)
    sizes = [stack[name][0].numel() for name in names]
    dtype = stack[names[0]].dtype
    rows = [
        deviation * chance.normals(sum(sizes), dtype) if deviation else torch.zeros(sum(sizes), dtype=dtype)
        for chance, deviation in zip(chances, deviations, strict=True)
    ]
    parts = dict(zip(names, torch.split(torch.stack(rows), sizes, dim=1), strict=True))
    return {name: parts[name].reshape(value.shape).to(value.device) for name, value in stack.items()}


def alone(step: NoisyStep) -> NoisyStep:
    """Return the step of the one client of a stack, without the axis."""

    def noise(tree: Params) -> Params:
        return trees.unstack(step.noise(trees.broadcast(tree, 1)), 0)

    return NoisyStep(step.clip, step.expected[0], step.goes[0], noise)
