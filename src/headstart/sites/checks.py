"""Updates are looked at before they are used: names, shapes, types, finite numbers, size beside the others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from headstart.core import trees
from headstart.core.trees import Tree
from headstart.sites.messages import Reply

MOST_TIMES = 10.0
"""An update whose norm is so many times the cohort's median is left out."""


@dataclass(frozen=True)
class Expected:
    """What an update must look like.

    Attributes:
        tensors: shape and type by name.
        compares_norms: whether updates of different clients should be of one size; sums need not be.
    """

    tensors: Mapping[str, tuple[tuple[int, ...], torch.dtype]]
    compares_norms: bool

    @classmethod
    def of(cls, update: Tree, reduce: str) -> Expected:
        """Describe an update by example."""
        return cls({name: (tuple(v.shape), v.dtype) for name, v in update.items()}, reduce == "mean")


def refused(replies: Sequence[Reply], expected: Expected) -> dict[int, str]:
    """Return why replies cannot be used, by site."""
    found = {reply.site: reason for reply in replies if (reason := _reason(reply, expected))}
    if expected.compares_norms:
        found |= _too_large([reply for reply in replies if reply.site not in found])
    return found


def _reason(reply: Reply, expected: Expected) -> str:
    if reply.error:
        return reply.error
    got = {name: (tuple(value.shape), value.dtype) for name, value in reply.tree.items()}
    if set(got) != set(expected.tensors):
        return f"its update has other tensors than the method's: {sorted(set(got) ^ set(expected.tensors))[:3]}"
    for name, want in expected.tensors.items():
        if got[name] != want:
            return (
                f"its update's '{name}' must be {want[1]} of shape {want[0]}, received {got[name][1]} of {got[name][0]}"
            )
    return "" if trees.is_finite(reply.tree) else "its update has numbers that are not finite"


def _too_large(replies: Sequence[Reply]) -> dict[int, str]:
    """Name updates far larger than the cohort's median; two clients say nothing of each other."""
    if len(replies) < 3:
        return {}
    norms = np.array([_norm(reply.tree) for reply in replies])
    usual = float(np.median(norms))
    return {
        reply.site: f"its update's norm is {norm / usual:.0f} times the cohort's median, more than {MOST_TIMES:g}"
        for reply, norm in zip(replies, norms, strict=True)
        if norm > MOST_TIMES * usual > 0
    }


def _norm(tree: Tree) -> float:
    return float(torch.stack([value.double().square().sum() for value in tree.values()]).sum().sqrt())
