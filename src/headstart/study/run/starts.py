"""First weights: how they are made, and those in memory, for many arms begin with the same ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from headstart.core.progress import Silent, Tell
from headstart.core.trees import Params, num_bytes
from headstart.engine.ways.graphs import graphs_on

if TYPE_CHECKING:
    from headstart.core.task import Task
    from headstart.models.network import Network
    from headstart.study.lab import Lab
    from headstart.study.written.arms import Stage


def first_weights(lab: Lab, stage: Stage, seed: int, tell: Tell) -> Params:
    """Run a start.

    Args:
        lab: data and network; its device is where the weights are made.
        stage: the start.
        seed: of everything random.
        tell: told how far it is.

    Raises:
        StartError: the weights cannot be trained.
    """

    def told(text: str) -> None:
        tell(f"start {stage.method}, {text}")

    weights: Params
    with graphs_on(lab.device, (lab.progress or Silent()).warn) as graphs:
        pool = lab.pool(seed)
        central = replace(pool, replay=graphs) if pool else None
        _, weights = stage.build()(_Build(lab, seed), lab.federation.task, central, seed, told)
    return weights


@dataclass(frozen=True, eq=False)
class _Build:
    """Builds a study's network with a seed's random weights."""

    lab: Lab
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.lab.federation.examples.shape

    def __call__(self, task: Task, *, from_scratch: bool) -> tuple[Network, Params]:
        return self.lab.begin(self.seed, from_scratch=from_scratch, task=task)


@dataclass(frozen=True, eq=False)
class Starts:
    """Trees by key; what the starts of several seeds have in common, as all of a checkpoint but its head, is held once.

    Attributes:
        most_bytes: memory that they may take; the one kept for longest goes first.

    >>> starts = Starts()
    >>> first = starts.keep("a", {"w": torch.ones(2), "head": torch.zeros(1)})
    >>> starts.keep("b", {"w": torch.ones(2), "head": torch.ones(1)})["w"] is first["w"]
    True
    """

    most_bytes: int = 2**30
    _kept: dict[str, Params] = field(default_factory=dict)

    def get(self, key: str) -> Params | None:
        """Return a start that is kept."""
        return self._kept.get(key)

    def keep(self, key: str, weights: Params) -> Params:
        """Keep a start; its tensors are those of the start before it where they are equal."""
        last = next(reversed(self._kept.values()), {})
        shared = {name: _either(last.get(name), value) for name, value in weights.items()}
        self._kept[key] = shared
        while len(self._kept) > 1 and self._num_bytes() > self.most_bytes:
            del self._kept[next(iter(self._kept))]
        return shared

    def _num_bytes(self) -> int:
        return num_bytes({str(id(value)): value for tree in self._kept.values() for value in tree.values()})


def _either(known: Tensor | None, value: Tensor) -> Tensor:
    """Return what is known already, if it is the same to the last bit."""
    if known is None or not value.dim() or (known.shape, known.dtype) != (value.shape, value.dtype):
        return value
    return known if torch.equal(known.view(torch.uint8), value.view(torch.uint8)) else value
