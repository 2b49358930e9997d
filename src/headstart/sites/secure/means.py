"""Means under masks: each client weighs its own update, and the server divides by everybody's weight.

The weight is the client's own number of training examples, up to a number that all are told alike and that is bound
to their keys: a server that told one site another could make the others vanish beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from headstart.core.errors import ClientError, SettingError
from headstart.core.trees import Tree, map_tree
from headstart.engine.heaviest import FEWEST
from headstart.federate.protocol import Federate
from headstart.sites.secure.party import FEWEST as FEWEST_HIDDEN

_WEIGHT = "/weight"
"""Beside the names of parameters, none of which begins so."""

_NEAR = 1e-6
"""Rounding of fixed point."""

_MOST_OFF = 2.0
"""Times by which the total weight may differ from what was announced: seeds draw other numbers of examples."""


def weighed(update: Tree, weight: float) -> Tree:
    """Return an update as it is masked: times its weight, and the weight beside it."""
    found = map_tree(lambda value: value.double() * weight, update)
    return {**found, _WEIGHT: torch.tensor([weight], dtype=torch.float64)}


def mean_of(total: Tree, announced: float, dtype: torch.dtype) -> Tree:
    """Return the mean of all that were weighed.

    Args:
        total: of what :func:`weighed` returned.
        announced: the weight that they should have together.
        dtype: of the mean.

    Raises:
        ClientError: they have another.
    """
    weight = float(total[_WEIGHT])
    if not announced / _MOST_OFF <= weight <= announced * _MOST_OFF:
        raise ClientError(
            f"secure means: their weights must be about {announced:.3g} together, received {weight:.3g}; some site's "
            "is false, which masks hide: run it without --secure to see whose"
        )
    return {name: (value / weight).to(dtype) for name, value in total.items() if name != _WEIGHT}


def most_examples(sizes: Sequence[int]) -> int:
    """Return with how many examples a client may weigh at most: of three or more, with those of all others together.

    >>> most_examples([10, 20, 90]), most_examples([10, 20, 25])
    (30, 25)
    """
    largest, total = max(sizes), sum(sizes)
    return max(1, min(largest, total - largest) if len(sizes) >= FEWEST else largest)


def too_heavy(weights: Mapping[str, float]) -> str:
    """Name the client that weighs more than all others together, as others were lost; empty if none does.

    >>> too_heavy({"a": 1.0, "b": 0.5, "c": 0.2}), too_heavy({"a": 1.0, "b": 0.5, "c": 0.5})
    ('a', '')
    """
    total = sum(weights.values())
    return next((name for name, weight in weights.items() if weight > (1 + _NEAR) * (total - weight)), "")


def check_method(method: Federate, name: str) -> None:
    """Refuse what masks make impossible, before any work starts.

    Raises:
        SettingError: the method's server looks at single updates, or too few clients a round hide each other.
    """
    if method.reduce == "each":
        raise SettingError(
            f"--secure: '{name}' makes its model of what each single client sends, which the server must see; take a "
            "method that averages or adds up, or run it without --secure"
        )
    if method.reduce == "mean" and method.schedule.aggregate != "mean":
        raise SettingError(
            f"--secure: '{name}' combines updates by their {method.schedule.aggregate}, for which the server must see "
            "each of them; set aggregate = 'mean', or run it without --secure"
        )
    size = method.schedule.cohort_size
    if size is not None and size < FEWEST_HIDDEN:
        raise SettingError(
            f"--secure: '{name}' asks {size} clients a round, and it takes {FEWEST_HIDDEN} to hide each other's "
            "updates; raise cohort_size, or run it without --secure"
        )
