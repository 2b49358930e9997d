"""Pictures of iterated function systems: attractors of a few affine maps, drawn by the chaos game.

Barnsley, Demko: Iterated function systems and the global construction of fractals. Proc. R. Soc. A 1985.
https://doi.org/10.1098/rspa.1985.0057. Systems are drawn by the singular values of their maps, as by Anderson, Farrell:
Improving Fractal Pre-training. WACV 2022. https://arxiv.org/abs/2110.03091 (section 3.1): maps with values below 1
contract, and systems whose sum of them lies in a narrow range neither fill the plane nor shrink to a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.core.seeds import Key, numpy_generator

_MAPS = (2, 3, 4)
"""How many maps a system may have."""

_CANDIDATES = 64
"""Singular values that are drawn at once, until some lie in the range."""

_SETTLING = 20
"""Points of a walk that are not drawn: the first ones are not on the attractor yet."""

_POINTS = 1.5
"""Points of a walk for each pixel."""

_CHUNK_BYTES, _BYTES = 2**26, 48
"""Memory that pictures drawn at once may take, and what a point takes: two numbers, in what frame, and its pixel."""


@dataclass(frozen=True, eq=False)
class System:
    """An iterated function system: points go to ``matrix @ point + shift`` of a map chosen at random.

    Attributes:
        matrices: ``(maps, 2, 2)``.
        shifts: ``(maps, 2)``.
    """

    matrices: Array
    shifts: Array

    @property
    def chances(self) -> Array:
        """How likely each map is: by the area that it leaves, none below a hundredth."""
        areas = np.abs(np.linalg.det(self.matrices)).clip(min=0.01)
        found: Array = areas / areas.sum()
        return found


def draw_system(*key: Key) -> System:
    """Draw a system by its key; every map's singular values are below 1.

    >>> system = draw_system(0, "fractals", 3)
    >>> bool((np.linalg.svd(system.matrices, compute_uv=False) < 1).all())
    True
    """
    generator = numpy_generator(*key)
    maps = int(generator.choice(_MAPS))
    values = _singular_values(generator, maps)
    left, right = (_rotations(generator.uniform(0, 2 * np.pi, maps)) for _ in range(2))
    mirrors = generator.choice([-1.0, 1.0], size=(maps, 1, 2))
    return System(left @ (values[:, :, None] * right) * mirrors, generator.uniform(-1, 1, (maps, 2)))


def _singular_values(generator: np.random.Generator, maps: int) -> Array:
    """Draw each map's two values, the larger first, whose sum lies between (5 + maps) / 2 and (6 + maps) / 2.

    The smaller ones count twice in it.
    """
    while True:
        drawn = np.sort(generator.random((_CANDIDATES, maps, 2)))[..., ::-1]
        total = (drawn @ [1.0, 2.0]).sum(1)
        fits = np.flatnonzero((total >= (5 + maps) / 2) & (total <= (6 + maps) / 2))
        if len(fits):
            found: Array = drawn[fits[0]]
            return found


def _rotations(angles: Array) -> Array:
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def draw_pictures(systems: Sequence[System], each: int, side: int, *key: Key) -> Array:
    """Draw pictures of systems, ``(systems x each, 1, side, side)`` uint8; brighter is more often met.

    In each picture one map is weaker and moved by up to a fifth, and it may be mirrored. Memory is bounded.

    Args:
        systems: whose, one after another.
        each: pictures of each.
        side: their height and width.
        key: of all that is random.

    Raises:
        ValueError: a map does not contract, so that points run away.
    """
    if not all((np.linalg.norm(system.matrices, 2, axis=(1, 2)) < 1).all() for system in systems):
        raise ValueError("a map of a system has a singular value of 1 or more: its points run away")
    steps, whose = int(_POINTS * side * side) + _SETTLING, np.repeat(np.arange(len(systems)), each)
    generator, found = numpy_generator(*key, "pictures"), np.empty((len(whose), 1, side, side), dtype=np.uint8)
    padded, at_once = _Padded.of(systems), max(1, _CHUNK_BYTES // (steps * _BYTES))
    for start in range(0, len(whose), at_once):
        some = found[start : start + at_once, 0]
        walks = padded.changed(whose[start : start + at_once], generator).walks(steps, generator)
        some[:] = shaded(walks[_SETTLING:], side)
        for axis in (1, 2):
            mirrored = generator.random(len(some)) < 0.5
            some[mirrored] = np.flip(some[mirrored], axis)
    return found


@dataclass(frozen=True, eq=False)
class _Padded:
    """Several systems, with maps that are never chosen where one has fewer than another."""

    matrices: Array
    shifts: Array
    chances: Array

    @classmethod
    def of(cls, systems: Sequence[System]) -> _Padded:
        most = max(len(system.shifts) for system in systems)

        def stacked(parts: Iterable[Array]) -> Array:
            return np.stack([np.pad(one, [(0, most - len(one)), *[(0, 0)] * (one.ndim - 1)]) for one in parts])

        return cls(
            stacked(one.matrices for one in systems),
            stacked(one.shifts for one in systems),
            stacked(one.chances for one in systems),
        )

    def changed(self, whose: Array, generator: np.random.Generator) -> _Padded:
        """Return a system for each picture, one of its maps changed; a weaker one contracts all the more."""
        matrices, shifts, chances = self.matrices[whose], self.shifts[whose], self.chances[whose]
        rows = np.arange(len(whose))
        which = (generator.random(len(whose)) * (chances > 0).sum(1)).astype(np.int64)
        matrices[rows, which] *= generator.uniform(0.8, 1, (len(whose), 1, 1))
        shifts[rows, which] *= generator.uniform(0.8, 1.2, (len(whose), 1))
        return _Padded(matrices, shifts, chances)

    def walks(self, steps: int, generator: np.random.Generator) -> Array:
        """Let one point of each system walk, all at once; return where they come by, ``(steps, systems, 2)``."""
        rows, ends = np.arange(len(self.shifts)), np.cumsum(self.chances, 1)[:, :-1]
        points, found = np.zeros((len(rows), 2)), np.empty((steps, len(rows), 2))
        for step in range(steps):
            turn = (generator.random((len(rows), 1)) >= ends).sum(1)
            # Rounding may leave the last end below 1.
            turn = np.minimum(turn, (self.chances > 0).sum(1) - 1)
            matrix = self.matrices[rows, turn]
            points = matrix[:, :, 0] * points[:, :1] + matrix[:, :, 1] * points[:, 1:] + self.shifts[rows, turn]
            found[step] = points
        return found


def shaded(points: Array, side: int) -> Array:
    """Shade each picture's pixels by how many points they hold, ``(count, side, side)`` uint8.

    Args:
        points: of each picture, ``(points, count, 2)``; the frame is what is around them, both axes in one scale.
        side: height and width in pixels.
    """
    low, high = points.min(0), points.max(0)
    span = np.maximum((high - low).max(1, keepdims=True), 1e-9)
    places = ((points - (low + high) / 2) / span + 0.5) * side
    columns, rows = places.astype(np.int64).clip(0, side - 1).transpose(2, 0, 1)
    cells = (np.arange(points.shape[1]) * side + rows) * side + columns
    counts = np.bincount(cells.ravel(), minlength=points.shape[1] * side * side).reshape(-1, side, side)
    shades = np.log1p(counts) / np.log1p(counts.max((1, 2), keepdims=True))
    found: Array = np.rint(255 * shades).astype(np.uint8)
    return found
