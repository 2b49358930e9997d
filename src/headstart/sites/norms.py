"""How large updates may be: beside the others of their round, the rounds before, and the weights that they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from headstart.core.trees import Tree
from headstart.sites.lengths import anew, norm
from headstart.sites.settings import MOST_TIMES
from headstart.sites.transport import Answer, Failed

A = TypeVar("A")


@dataclass(frozen=True, eq=False)
class Norms:
    """Looks at how large a stage's updates are, of one round beside the others, and beside those of before.

    Attributes:
        usual: of each round, the median norm of the updates that were used.
    """

    usual: list[float] = field(default_factory=list)

    def check(self, came: Sequence[Answer[A] | Failed], shared: Tree) -> list[Answer[A] | Failed]:
        """Return what came, an update far larger than usual as a failure.

        Of three or more clients what is usual is their median; two say nothing of each other, and are held against
        the rounds before. No update may exceed what would make other weights of all; where several all do, the step
        size is at fault and no site, as the training's own checks will say.
        """
        norms = {one.site: norm(one.tree) for one in came if isinstance(one, Answer)}
        limits = [("the shared weights and 1 for each", anew(shared))]
        if len(norms) >= _FEWEST:
            limits.insert(0, ("the cohort's median", float(np.median(list(norms.values())))))
        elif self.usual:
            limits.insert(0, ("the median of the rounds before", float(np.median(self.usual))))
        giants = {site: reason for site, length in norms.items() if (reason := _too_large(length, limits))}
        if 1 < len(giants) == len(norms):
            giants = {}
        if good := [length for site, length in norms.items() if site not in giants]:
            self.usual.append(float(np.median(good)))
        return [Failed(one.site, giants[one.site]) if one.site in giants else one for one in came]


_Limit = tuple[str, float]
_FEWEST = 3
"""Clients whose median says what is usual."""


def _too_large(length: float, limits: Sequence[_Limit]) -> str:
    found = ((what, usual) for what, usual in limits if length > MOST_TIMES * usual > 0)
    return next(
        (f"its update's norm is {length / by:.0f} times {what}, more than {MOST_TIMES:g}" for what, by in found), ""
    )
