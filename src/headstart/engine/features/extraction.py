"""One pass through the frozen part, as fast as this machine allows: how it is computed, and in which batches.

BatchNorm is folded into the convolutions, pictures lie channels last unless a short trial speaks against it, batches
are as large as pays, every core works, and rows of equal content are computed once.

Measured on two cores, ResNet-18 on 3 x 64 x 64 pixels, milliseconds per picture: as it is 2.15, folded 1.97, folded
and channels last 1.60, ONNX Runtime 1.42, which is not worth a dependency; one process per core took as long as one
process with a thread per core (1.67 against 1.60).
"""

from __future__ import annotations

import copy
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.device import CPU
from headstart.core.faults import Portions, engine_faults
from headstart.core.machine import num_cores
from headstart.engine.features.distinct import Distinct
from headstart.engine.features.feeding import feed, in_portions, lane_to, num_ahead, take_into
from headstart.engine.features.folding import find_pairs, fold, frozen_part, largest_map, lay_channels_last
from headstart.models.model import Model
from headstart.models.network import Network

TRIAL = 16
"""Rows on which another way of computing is compared and timed."""

WORTH_A_TRIAL = 2.0
"""Seconds of a whole pass from which a trial is paid back."""

CLEARLY_SLOWER = 1.25
"""Times as long as the other layout that channels last must take to be refused.

It took 0.4 to 1.0 times as long with five networks; the noise of a short trial is no reason to do without.
"""

LARGEST_BATCH, BATCH_BYTES = 256, 24 * 2**20
"""Rows of a batch, and bytes of its largest feature map.

The allocator asks the system for every tensor above 32 MiB anew: MobileNetV2 at 96 pixels takes 2.7 milliseconds per
picture in batches of 32, and 5.5 in batches of 256.
"""

CARD_BATCH_BYTES = 2**30
"""The same on a graphics card, which has an allocator of its own and wants more work at once."""


@dataclass(frozen=True)
class Recipe:
    """How a frozen part is computed.

    Attributes:
        folded: whether BatchNorm is folded into convolutions.
        channels_last: whether pictures lie channel by channel within a pixel.
    """

    folded: bool = False
    channels_last: bool = False


def choose(
    model: Model,
    inputs: Tensor,
    device: torch.device = CPU,
    *,
    worth_a_trial: float = WORTH_A_TRIAL,
    clock: Callable[[Network, Tensor], float] | None = None,
) -> Recipe:
    """Choose the fastest way among those that give what the model's own function gives.

    Args:
        model: whose frozen part is to be computed on all inputs.
        inputs: all raw inputs; the first few are tried out.
        device: a graphics card takes channels last without a trial: its units for products want that.
        worth_a_trial: seconds of a whole pass from which layouts are timed.
        clock: says how many seconds a part takes on some inputs; None measures them.
    """
    few, right = inputs[:TRIAL], _Right.of(model, inputs[:TRIAL])
    plain = Recipe(folded=bool(find_pairs(frozen_part(model), few[:1])))
    if plain.folded and not right.agrees(build(model, plain, few)):
        plain = Recipe()
    on_card, long = device.type == "cuda", right.seconds / len(few) * len(inputs) > worth_a_trial
    if few.dim() != 4 or not (on_card or long):
        return plain
    other = Recipe(plain.folded, channels_last=True)
    part = build(model, other, few)
    if not right.agrees(part) or not (on_card or _is_fast(part, build(model, plain, few), few, clock or _seconds)):
        return plain
    return other


def build(model: Model, recipe: Recipe, inputs: Tensor) -> Network:
    """Build the frozen part as a recipe says; ``inputs`` are a few raw ones, on the CPU."""
    part = frozen_part(model)
    if recipe.folded:
        fold(part, find_pairs(part, inputs[:1]))
    return lay_channels_last(part) if recipe.channels_last else part


def agree(found: Tensor, right: Tensor) -> bool:
    """Say whether no number is off by more than 1e-4 of the largest (1e-10 in float64)."""
    tolerance = 1e-10 if right.dtype == torch.float64 else 1e-4
    return bool((found - right).abs().max() <= tolerance * right.abs().max())


@dataclass(frozen=True, eq=False)
class _Right:
    """What a model's own function gives on some inputs, and how long it takes."""

    inputs: Tensor
    outputs: Tensor
    seconds: float

    @classmethod
    def of(cls, model: Model, inputs: Tensor) -> _Right:
        begin = time.perf_counter()
        outputs = model.activations(inputs)
        return cls(inputs, outputs, time.perf_counter() - begin)

    def agrees(self, part: Network) -> bool:
        try:
            return agree(_run(part, self.inputs), self.outputs)
        except RuntimeError:  # a user's own module may know one layout alone
            return False


@torch.no_grad()
def _run(part: Network, inputs: Tensor) -> Tensor:
    result: Tensor = part(inputs, 0, len(part.blocks))
    return result


def _is_fast(part: Network, other: Network, inputs: Tensor, clock: Callable[[Network, Tensor], float]) -> bool:
    """Say whether a part is not clearly slower than another; they take turns, since a machine's pace changes."""
    mine, others = zip(*((clock(part, inputs), clock(other, inputs)) for _ in range(2)), strict=True)
    return bool(min(mine) < CLEARLY_SLOWER * min(others))


def _seconds(part: Network, inputs: Tensor) -> float:
    begin = time.perf_counter()
    _run(part, inputs)
    return time.perf_counter() - begin


@dataclass(eq=False)
class Pass:
    """A pass of the inputs through a frozen part.

    Attributes:
        part: the frozen part, see :func:`build`.
        inputs: all raw inputs, on the CPU.
        distinct: which rows to compute.
        device: where.
        told: called with the number of rows that are done.
        most_rows: of a batch.
        most_bytes: of a batch's largest feature map; None takes what suits the device.
        shape: of all activations.
        dtype: of the activations.
        batch: rows that are computed at once.
        portions: fewer of them, once memory was short.
    """

    part: Network
    inputs: Tensor
    distinct: Distinct
    device: torch.device = CPU
    told: Callable[[int], None] | None = None
    most_rows: int = LARGEST_BATCH
    most_bytes: int | None = None
    shape: tuple[int, ...] = field(init=False)
    dtype: torch.dtype = field(init=False)
    batch: int = field(init=False)
    portions: Portions = field(default_factory=Portions, init=False)

    def __post_init__(self) -> None:
        one = _run(self.part, self.inputs[:1])
        self.shape, self.dtype = (len(self.inputs), *one.shape[1:]), one.dtype
        room = self.most_bytes or (BATCH_BYTES if self.device.type == "cpu" else CARD_BATCH_BYTES)
        self.batch = max(1, min(self.most_rows, room // largest_map(self.part, self.inputs)))
        if self.device.type != "cpu":
            self.part = copy.deepcopy(self.part).to(self.device)

    def write(self, target: Array, start: int = 0) -> Iterator[int]:
        """Write activations into ``target``, and yield how many contents are done after each batch.

        Args:
            target: array of ``shape`` and ``dtype``.
            start: contents that an earlier pass has written.

        Raises:
            EngineError: a single row finds no memory, or the device fails.
        """
        with engine_faults():
            for (first, last), found in self._results(start):
                rows, contents = self.distinct.places(first, last)
                target[rows] = found.to(self.dtype).numpy()[contents]
                if self.told:
                    self.told(int(self.distinct.starts[last]))
                yield last

    def rows_of(self, start: int, stop: int) -> Array:
        """Return the places in the array of what is written for contents ``start`` to ``stop``."""
        return self.distinct.places(start, stop)[0]

    def _results(self, start: int) -> Iterator[tuple[tuple[int, int], Tensor]]:
        """Yield what contents give, from the first to before the last of each batch."""
        count, lane = len(self.distinct), lane_to(self.device)
        batches = ((first, min(first + self.batch, count)) for first in range(start, count, self.batch))
        ahead = num_ahead(lane, self.batch * self.inputs[:1].nbytes)

        def read(batch: tuple[int, int]) -> Tensor:
            return take_into(lane, self.inputs, self.distinct.first[slice(*batch)])

        return feed(lane, batches, read, self._compute, ahead=ahead)

    def _compute(self, batch: Tensor) -> Tensor:
        return in_portions(self.portions, partial(_run, self.part), batch)


def all_cores() -> int:
    """Return the threads of a pass: one per core, in a worker process what it has."""
    return torch.get_num_threads() if multiprocessing.parent_process() else num_cores()
