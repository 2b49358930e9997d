"""Updates are looked at before they are used: names, shapes, types, finite numbers, size beside the others'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from headstart.core import trees
from headstart.core.trees import Tree
from headstart.costs.dry_run import DummyClient
from headstart.data.examples import Examples
from headstart.sites.settings import MOST_TIMES
from headstart.sites.transport import Answer, Failed
from headstart.training.client_data import ClientData

A = TypeVar("A")


@dataclass(frozen=True)
class Expected:
    """What an update, or sums, must look like.

    Attributes:
        tensors: shape and type by name.
        compares_norms: whether updates of different clients should be of one size; sums need not be.
    """

    tensors: Mapping[str, tuple[tuple[int, ...], torch.dtype]]
    compares_norms: bool

    @classmethod
    def of(cls, work: Callable[[ClientData], Tree], examples: Examples, *, compares_norms: bool) -> Expected:
        """Describe it by what ``work`` returns of two blank examples."""
        blank = torch.from_numpy(np.zeros((1, *examples.shape), examples.inputs.dtype))
        return cls(_shapes(work(DummyClient(blank, 2, len(examples.classes)))), compares_norms)

    def check(self, came: Sequence[Answer[A] | Failed]) -> list[Answer[A] | Failed]:
        """Return what came, an answer that cannot be used as a failure."""
        found = [one if isinstance(one, Failed) else self._checked(one) for one in came]
        return _without_giants(found) if self.compares_norms else found

    def _checked(self, one: Answer[A]) -> Answer[A] | Failed:
        reason = self._reason(one.tree)
        return Failed(one.site, reason) if reason else one

    def _reason(self, tree: Tree) -> str:
        got = _shapes(tree)
        if set(got) != set(self.tensors):
            return f"its update has other tensors than the method's: {sorted(set(got) ^ set(self.tensors))[:3]}"
        for name, (shape, dtype) in self.tensors.items():
            if got[name] != (shape, dtype):
                return (
                    f"its update's '{name}' must be {dtype} of shape {shape}, received {got[name][1]} of {got[name][0]}"
                )
        return "" if trees.is_finite(tree) else "its update has numbers that are not finite"


def _shapes(tree: Tree) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(value.shape), value.dtype) for name, value in tree.items()}


def _without_giants(came: Sequence[Answer[A] | Failed]) -> list[Answer[A] | Failed]:
    """Leave out updates far larger than the cohort's median; two clients say nothing of each other."""
    norms = {one.site: _norm(one.tree) for one in came if isinstance(one, Answer)}
    usual = float(np.median(list(norms.values()))) if len(norms) > 2 else 0.0
    giants = {
        site: f"its update's norm is {norm / usual:.0f} times the cohort's median, more than {MOST_TIMES:g}"
        for site, norm in norms.items()
        if norm > MOST_TIMES * usual > 0
    }
    return [Failed(one.site, giants[one.site]) if one.site in giants else one for one in came]


def _norm(tree: Tree) -> float:
    return float(torch.stack([value.double().square().sum() for value in tree.values()]).sum().sqrt())
