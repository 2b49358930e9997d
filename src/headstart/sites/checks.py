"""Updates and sums are looked at before they are used: names, shapes, types, finite numbers, what examples can have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from headstart.core import trees
from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.costs.dry_run import DummyClient
from headstart.data.examples import Examples
from headstart.data.federation import Split
from headstart.federate.closed_form import FeatureSums
from headstart.sites.claims import believed
from headstart.sites.limits import said
from headstart.sites.possible import doubt_parts, length
from headstart.sites.probe.noise import deviation
from headstart.sites.said import Present
from headstart.sites.settings import MOST_TIMES, Protection
from headstart.sites.transport import Answer, Failed
from headstart.training.client_data import ClientData

A = TypeVar("A")


@dataclass(frozen=True, eq=False)
class Possible:
    """Looks at each site's sums.

    Attributes:
        of: what a tree says of the features of each part of the data.
        sites: what each said first.
        bound: length to which rows are clipped where there is noise.
        masked: whether each site's are hidden, so that their total alone can be looked at.
    """

    of: Callable[[Tree], Mapping[Split, FeatureSums]]
    sites: Mapping[int, Present]
    bound: float = Protection.bound
    masked: bool = False

    def check(self, came: Sequence[Answer[A] | Failed]) -> list[Answer[A] | Failed]:
        """Return what came, sums that no examples have, or far larger than the others', as failures."""
        if self.masked:
            return list(came)
        return _without_giants(believed(came, self._doubt), self.of)

    def check_total(self, total: Tree, came: Sequence[Answer[A]]) -> None:
        """Look at everyone's sums together, all that can be seen of them under masks.

        Raises:
            ClientError: no examples have them.
        """
        each = (deviation(total, _noise(one.said), self.bound) for one in came)
        parts, sites = self.of(total), [self.sites[one.site] for one in came]
        sizes = {part: sum(site.sizes.get(part, 0) for site in sites) for part in parts}
        if reason := doubt_parts(parts, sizes, math.hypot(*each)):
            raise ClientError(
                f"secure sums: {reason}, taken together; some site's are false, which masks hide: run it without "
                "--secure to see whose"
            )

    def _doubt(self, one: Answer[A]) -> str:
        spread = deviation(one.tree, _noise(one.said), self.bound)
        return doubt_parts(self.of(one.tree), self.sites[one.site].sizes, spread)


@dataclass(frozen=True)
class Expected:
    """What an update, or sums, must look like.

    Attributes:
        tensors: shape and type by name.
        sums: looks whether examples can have them, where sums are sent; None where updates are, which should be of
            one size.
    """

    tensors: Mapping[str, tuple[tuple[int, ...], torch.dtype]]
    sums: Possible | None = None

    @classmethod
    def of(cls, work: Callable[[ClientData], Tree], examples: Examples, sums: Possible | None = None) -> Expected:
        """Describe it by what ``work`` returns of two blank examples."""
        blank = torch.from_numpy(examples.blank())
        return cls(_shapes(work(DummyClient(blank, 2))), sums)

    def check(self, came: Sequence[Answer[A] | Failed]) -> list[Answer[A] | Failed]:
        """Return what came, an answer that cannot be used as a failure."""
        found = [one if isinstance(one, Failed) else self._checked(one) for one in came]
        return self.sums.check(found) if self.sums else found

    def _checked(self, one: Answer[A]) -> Answer[A] | Failed:
        reason = self._reason(one.tree)
        return Failed(one.site, reason) if reason else one

    def _reason(self, tree: Tree) -> str:
        got = _shapes(tree)
        if set(got) != set(self.tensors):
            return f"its update has other tensors than the method's: {_some(set(got) ^ set(self.tensors))}"
        for name, (shape, dtype) in self.tensors.items():
            if got[name] != (shape, dtype):
                return (
                    f"its update's '{name}' must be {dtype} of shape {shape}, received {got[name][1]} of {got[name][0]}"
                )
        return "" if trees.is_finite(tree) else "its update has numbers that are not finite"


def _shapes(tree: Tree) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(value.shape), value.dtype) for name, value in tree.items()}


def _some(names: Iterable[str]) -> list[str]:
    return [said(name, 80) for name in sorted(names)[:3]]


def _without_giants(
    came: Sequence[Answer[A] | Failed], of: Callable[[Tree], Mapping[Split, FeatureSums]]
) -> list[Answer[A] | Failed]:
    """Leave out sums of features far longer than the others' are; of two, nobody knows whose are right.

    Noise drowns the lengths of few examples: such sums are looked at by its own measure alone.
    """
    bare = [one for one in came if isinstance(one, Answer) and not _noise(one.said)]
    lengths = {one.site: length(of(one.tree)["train"]) for one in bare}
    usual = float(np.median(list(lengths.values()))) if len(lengths) > 2 else 0.0
    giants = {site: length / usual for site, length in lengths.items() if length > MOST_TIMES * usual > 0}
    return [
        Failed(one.site, f"its features are {giants[one.site]:.0f} times as long as usual, more than {MOST_TIMES:g}")
        if one.site in giants
        else one
        for one in came
    ]


def _noise(said: object) -> float:
    """Return the noise on sums, in sensitivities; some answers have none to tell of."""
    return float(getattr(said, "noise", 0.0))
