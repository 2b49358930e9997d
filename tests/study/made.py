"""Small federations in memory, sound ones and ones on which nothing can be learnt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from headstart import Federation, from_arrays


def table(
    *,
    classes: int = 2,
    clients: int = 6,
    rows: int = 60,
    apart: float = 2.0,
    shift: float = 0.3,
    shares: list[float] | None = None,
    skewed: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
    **settings: Any,
) -> Federation:
    """Clients whose classes lie around centres.

    Args:
        classes: how many.
        clients: how many.
        rows: of each client.
        apart: how far centres lie apart, in units of the spread around them.
        shift: how far clients lie apart.
        shares: of the classes; None for equal ones.
        skewed: share of a client's rows that are all of one class.
        noise: share of the labels that are drawn anew.
        seed: of everything.
        settings: of the federation.
    """
    draw = np.random.default_rng(seed)
    owner = np.repeat(np.arange(clients), rows)
    labels = draw.choice(classes, size=len(owner), p=shares)
    labels = np.where(draw.random(len(owner)) < skewed, owner % classes, labels)
    centres = apart * draw.standard_normal((classes, 6)) / np.sqrt(2)
    inputs = centres[labels] + shift * draw.standard_normal((clients, 6))[owner] + draw.standard_normal((len(owner), 6))
    told = np.where(draw.random(len(owner)) < noise, draw.integers(0, classes, len(owner)), labels)
    return from_arrays(inputs, told, clients=owner, **settings)


def images(
    *, classes: int = 3, clients: int = 4, rows: int = 45, pool: int = 0, seed: int = 0, **settings: Any
) -> Federation:
    """Clients with 8 x 8 images, a pattern for each class, and perhaps a pool of the same kind."""
    draw = np.random.default_rng(seed)
    patterns = draw.uniform(60, 190, size=(classes, 8, 8))

    def some(count: int) -> tuple[Any, Any]:
        labels = draw.integers(0, classes, count)
        return (patterns[labels] + draw.normal(0, 30, (count, 8, 8))).clip(0, 255).astype(np.uint8), labels

    inputs, labels = some(clients * rows)
    owner = np.repeat(np.arange(clients), rows)
    return from_arrays(inputs, labels, clients=owner, central=some(pool) if pool else None, **settings)


def scaled(federation: Federation, factor: Any) -> Federation:
    """Measure columns in other units."""
    return _with_inputs(federation, federation.examples.inputs * np.asarray(factor))


def unscaled(federation: Federation) -> Federation:
    """Measure columns from hundredths to thousands, none around zero, as in a table of tumours."""
    moved = _with_inputs(federation, 3 + federation.examples.inputs)
    return scaled(moved, [18.0, 10.0, 120.0, 1000.0, 0.05, 0.2])


def without_numbers(federation: Federation, clients: int) -> Federation:
    """Take the numbers out of the inputs of the first clients."""
    inputs = federation.examples.inputs.copy()
    gone = np.concatenate([np.concatenate([c.train, c.val]) for c in federation.clients[:clients]])
    inputs[gone] = np.nan
    return _with_inputs(federation, inputs)


def pool_of_noise(classes: int = 106, each: int = 4) -> Federation:
    """Give clients a pool of many classes with few pictures each, on which nothing is to be seen."""
    federation, draw = images(pool=120), np.random.default_rng(0)
    count = classes * each
    assert federation.central is not None
    pool = replace(
        federation.central,
        inputs=draw.integers(0, 256, (count, 1, 8, 8)).astype(np.uint8),
        labels=np.arange(count) % classes,
        ids=[f"p{i}" for i in range(count)],
        classes=tuple(f"kind {i}" for i in range(classes)),
    )
    return replace(federation, central=pool)


def _with_inputs(federation: Federation, inputs: Any) -> Federation:
    """Put other inputs in the place of a federation's, which nobody checks again."""
    return replace(federation, examples=replace(federation.examples, inputs=np.asarray(inputs, dtype=np.float32)))
