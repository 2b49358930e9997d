"""How long one client's work takes on this machine: its first steps are taken, the others counted.

Times are of this thread on its core, so that other programs on a busy machine do not blur them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil
from statistics import fmean
from typing import Any

from torch import Tensor

from headstart.core.trees import Params
from headstart.costs.dry_run import DummyClient
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import Passes

_ENOUGH, _MOST = 0.1, 30
"""Seconds after which work is not timed again, and how often it is at the most: one time alone may meet a hiccup."""

_LONG = 0.02
"""Seconds above which a step is its network's arithmetic, whatever the method: a network's batch is timed once."""


@dataclass(frozen=True)
class Seconds:
    """What one client's work takes.

    Attributes:
        steps: minibatches that it takes.
        stepping: seconds of all of them.
        beside: seconds of the rest.
    """

    steps: int
    stepping: float
    beside: float

    def of(self, steps: int) -> float:
        """Return the seconds of the same work in more steps or fewer."""
        return self.beside + (self.stepping * steps / self.steps if self.steps else 0.0)


@dataclass
class _Timed:
    """A dummy client that is timed.

    Attributes:
        dummy: serves the first steps of each phase.
        serves: whether it serves any; else it counts them alone.
        known: seconds of long steps by what takes them, filled as they are taken; these are taken once.
        steps: that were asked for so far.
        served: seconds of the steps that were served.
        stepping: seconds that all steps would take.
    """

    dummy: DummyClient
    serves: bool = True
    known: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    served: float = 0.0
    stepping: float = 0.0

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield the first steps, and count the rest at the time of the last one."""
        in_an_epoch = ceil(self.dummy.num_examples / passes.batch_size)
        due = passes.steps or passes.epochs * in_an_epoch
        self.steps += due
        name = f"{model.cut} {model.num_trainable} {model.network.num_features} {passes.batch_size} {passes.draws}"
        last = self.known.get(name, 0.0)
        for batch in self.dummy.batches(model, passes) if self.serves and not last else ():
            begin = time.thread_time()
            yield batch
            last = time.thread_time() - begin
            self.served += last
        if last > _LONG:
            self.known[name] = last
        self.stepping += last * due

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        """Return nothing: the dual form is for a stack of clients."""

    def everything(self, model: Model) -> Batch:
        """Return all examples."""
        return self.dummy.everything(model)


Work = Callable[[Any], object]
"""One client's half of a method, as a function of its data."""


@dataclass(frozen=True)
class Clock:
    """Times work on a client of a usual size.

    Attributes:
        raw: one raw example, ``(1, …)``.
        num_examples: training examples of the client, at least 1.
    """

    raw: Tensor
    num_examples: int
    _known: dict[str, Seconds] = field(default_factory=dict)
    _counted: dict[str, int] = field(default_factory=dict)
    _long: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, work: Work) -> Seconds:
        """Return what work takes, timed once by its name."""
        if name not in self._known:
            self._known[name] = self._usual(work)
        return self._known[name]

    def steps(self, name: str, work: Work) -> int:
        """Return how many minibatches work takes, counted once by its name, without taking one."""
        if name not in self._counted:
            client = self._client(serves=False)
            work(client)
            self._counted[name] = client.steps
        return self._counted[name]

    def _usual(self, work: Work) -> Seconds:
        """Return the mean of several times; the first, when nothing is warm yet, counts only if it is alone."""
        begin, found = time.perf_counter(), [self._timed(work)]
        while len(found) < _MOST and time.perf_counter() - begin < _ENOUGH:
            found.append(self._timed(work))
        warm = found[1:] or found
        return Seconds(warm[0].steps, fmean(one.stepping for one in warm), fmean(one.beside for one in warm))

    def _timed(self, work: Work) -> Seconds:
        client, begin = self._client(serves=True), time.thread_time()
        work(client)
        return Seconds(client.steps, client.stepping, max(0.0, time.thread_time() - begin - client.served))

    def _client(self, *, serves: bool) -> _Timed:
        return _Timed(DummyClient(self.raw, max(1, self.num_examples)), serves, self._long)
