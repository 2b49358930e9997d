"""A client's steps, or a stack's, as a recorded graph of a card's operations: a step costs one launch, not hundreds.

A graph reads and writes fixed places in memory, so that everything a step depends on is copied there: where clients
began, their parameters, optimiser state and batch. What Python does in a step is done once, while it is recorded.

PyTorch: CUDA semantics, CUDA graphs. https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.progress import Tell
from headstart.core.trees import Tree
from headstart.engine.protocol import Job
from headstart.engine.ways.recorders import CudaRecorder, Recorder
from headstart.models.batch import Batch
from headstart.models.replay import Step

_WARM = 3
"""Steps of one shape that are taken one operation after another before it is recorded, as PyTorch's notes ask."""

_MOST_PLACES = 8
"""Kinds of steps whose memory and graphs are kept, by their trees; the one unused for longest goes."""

_MOST_SHAPES = 16
"""Shapes of batches that are recorded for one kind of step; texts padded to ever other lengths would have many."""

_NEAR = 0.05
"""How far a replayed step may be off, in shares of the step's length."""


@dataclass(eq=False)
class Graphs:
    """Takes steps by replay.

    The first steps of every shape are taken one operation after another; then it is recorded, and the first replay is
    held against such a step, since nothing else would tell. What cannot be recorded goes on as it began.

    Attributes:
        recorder: of the device.
        tell: told, once for each kind of step, why it is not recorded.
    """

    recorder: Recorder
    tell: Tell = warnings.warn
    _places: dict[Hashable, _Place] = field(default_factory=dict)

    def __call__(
        self, name: Hashable, step: Step, start: Tree, params: Tree, state: Tree, batches: Iterable[Batch]
    ) -> tuple[Tree, Tree]:
        """Take one step per batch; see :class:`headstart.models.replay.Replay`."""
        place = self._place((name, *map(_shape_of, (start, params, state))), step, start, params, state)
        for batch in batches:
            place.take(batch)
        return trees.clone(place.params), trees.clone(place.state)

    def forget(self) -> None:
        """Give back the memory of all steps: they hold each other, and would wait for the garbage collector."""
        while self._places:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._places.pop(next(iter(self._places))).forget()

    def _new(self, step: Step, start: Tree, params: Tree, state: Tree) -> _Place:
        return _Place(self.recorder, self.tell, step, trees.clone(start), trees.clone(params), trees.clone(state))

    def _place(self, key: Hashable, step: Step, start: Tree, params: Tree, state: Tree) -> _Place:
        """Return the memory of such steps, with these numbers in it."""
        if not _is_hashable(key):  # a user's own settings may hold anything
            return replace(self._new(step, start, params, state), is_recorded=False)
        place = self._places.pop(key, None)
        if place is None:
            place = self._new(step, start, params, state)
        else:
            place.fill(params, state, start)
        self._places[key] = place
        if len(self._places) > _MOST_PLACES:
            self._forget_oldest()
        return place


@dataclass(eq=False)
class _Place:
    """Fixed memory of one kind of step, and its graphs by shape of batch."""

    recorder: Recorder
    tell: Tell
    step: Step
    start: Tree
    params: Tree
    state: Tree
    is_recorded: bool = True
    _shapes: dict[Hashable, _Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._first = {id(value) for value in (*self.params.values(), *self.state.values())}

    @property
    def has_other_tensors(self) -> bool:
        """Whether a step has put tensors in the places of these, instead of writing to them."""
        return self._first != {id(value) for value in (*self.params.values(), *self.state.values())}

    def fill(self, params: Tree, state: Tree, start: Tree | None = None) -> None:
        """Write a client's numbers."""
        for into, tree in ((self.start, start or {}), (self.params, params), (self.state, state)):
            for name, value in tree.items():
                into[name].copy_(value)

    def take(self, batch: Batch) -> None:
        """Take one step."""
        tensors, facts = _parts(batch)
        key = (_shape_of(tensors), facts)
        shape = self._shapes.get(key)
        if shape is None and len(self._shapes) < _MOST_SHAPES:
            shape = self._shapes[key] = _Shape(self, {name: value.clone() for name, value in tensors.items()}, batch)
        if shape is None or not self.is_recorded:
            self.step(self.start, self.params, self.state, batch)
        else:
            shape.take(tensors)

    def forget(self) -> None:
        """Give back the memory of records and batches."""
        self._shapes.clear()

    def give_up(self, why: str) -> None:
        """Record no more of such steps, and say so."""
        self.is_recorded = False
        self.forget()
        self.tell(f"steps are taken one operation after another, not as a recorded graph: {why}")


class _Shape:
    """Steps of one shape of batch.

    Args:
        place: where parameters are.
        inputs: fixed memory of a batch's tensors.
        batch: one of that shape.
    """

    def __init__(self, place: _Place, inputs: Tree, batch: Batch) -> None:
        self._place, self._inputs = place, inputs
        self._batch: Batch = replace(batch, **inputs)  # type: ignore[arg-type]
        self._turn = 0
        self._replay: Callable[[], None] | None = None

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Take one step with a batch's numbers."""
        for name, value in tensors.items():
            self._inputs[name].copy_(value)
        self._turn += 1
        if self._replay is None:
            self._place.recorder.warm(self._step)
            if self._turn == _WARM:
                self._record()
        elif self._turn == _WARM + 1:
            self._prove(self._replay)
        else:
            self._replay()

    def _step(self) -> None:
        place = self._place
        place.step(place.start, place.params, place.state, self._batch)

    def _record(self) -> None:
        place = self._place
        if place.has_other_tensors:
            place.give_up("it puts other tensors in the places of its parameters")
            return
        try:
            self._replay = place.recorder.capture(self._step)
        except Exception as error:  # a user's own module may do anything
            place.give_up(_first_line(error))

    def _prove(self, replay: Callable[[], None]) -> None:
        """Take a step both ways; keep that of one operation after another."""
        place = self._place
        before = trees.clone(place.params), trees.clone(place.state)
        place.recorder.warm(self._step)
        right = trees.clone(place.params), trees.clone(place.state)
        place.fill(*before)
        replay()
        is_right = _is_near(place.params, right[0], before[0])
        place.fill(*right)
        if not is_right:
            place.give_up("its replay gave other numbers")


@contextmanager
def graphed(job: Job, tell: Tell = warnings.warn) -> Iterator[Job]:
    """Yield a job whose steps are recorded, where its data are on a card that can; else the same job.

    Args:
        job: to be done in this process.
        tell: told where steps cannot be recorded.
    """
    with graphs_on(job.clients.rows.device, tell) as graphs:
        yield replace(job, model=replace(job.model, replay=graphs)) if graphs else job


@contextmanager
def graphs_on(device: torch.device, tell: Tell = warnings.warn) -> Iterator[Graphs | None]:
    """Yield what records steps on a device; None where it has no graphs."""
    if device.type != "cuda":
        yield None
        return
    graphs = Graphs(CudaRecorder(device), tell)
    try:
        yield graphs
    finally:
        graphs.forget()


def _parts(batch: Batch) -> tuple[Tree, Hashable]:
    """Return a batch's tensors, and what else it says."""
    values = {each.name: getattr(batch, each.name) for each in fields(batch)}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    return tensors, tuple((name, value) for name, value in values.items() if name not in tensors)


def _is_hashable(key: Hashable) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _shape_of(tree: Mapping[str, Tensor]) -> Hashable:
    return tuple((name, value.shape, value.dtype, value.device) for name, value in tree.items())


def _is_near(found: Tree, right: Tree, before: Tree) -> bool:
    """Say whether a step came to the same, where that is finite: all in all, and each tensor moved about as far.

    Kernels may add in another order; where Adam divides a slope that is nothing but rounding, single numbers differ.
    """
    finite = {name: value.isfinite() for name, value in right.items()}
    moved, wanted = (_norms(trees.subtract(tree, before), finite) for tree in (found, right))
    off, sizes = _norms(trees.subtract(found, right), finite), _norms(right, finite)
    rounding = 4 * sum(size * torch.finfo(value.dtype).eps for size, value in zip(sizes, right.values(), strict=True))
    is_alike = all(abs(one - other) <= other / 2 + rounding for one, other in zip(moved, wanted, strict=True))
    return is_alike and math.hypot(*off) <= _NEAR * math.hypot(*wanted) + rounding


def _norms(tree: Tree, finite: Tree) -> list[float]:
    """Return the length of each tensor, of its numbers that count."""
    return [float(torch.linalg.vector_norm(value.where(finite[name], 0))) for name, value in tree.items()]


def _first_line(error: BaseException) -> str:
    """Return what went wrong first: ending a record that failed raises an error of its own."""
    if "captur" in str(error) and error.__context__ is not None:
        error = error.__context__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
