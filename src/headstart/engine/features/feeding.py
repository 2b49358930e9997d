"""Batches on their way through a device: read ahead by threads, sent while the one before is computed, fetched later.

A card computes faster than one thread can gather rows, and its copies need not wait for its products: rows go into
page-locked memory, from there on a stream of their own to the card, and results come back on another one. Any other
device goes the same way without streams, one batch after another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.faults import Portions
from headstart.core.machine import num_cores

AHEAD_BYTES = 2**29
"""Memory that batches may take which are read before their turn; two are read ahead however large they are."""

_Rows = TypeVar("_Rows")


class Lane(Protocol):
    """The way of batches to a device and back."""

    @property
    def readers(self) -> int:
        """Threads that read."""
        ...

    @property
    def waiting(self) -> int:
        """Results that may be on their way back while the next is computed."""
        ...

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return memory of this machine into which a batch is read."""
        ...

    def send(self, batch: Tensor) -> Tensor:
        """Return a batch on the device, where what is computed next may use it."""
        ...

    def fetch(self, found: Tensor) -> Callable[[], Tensor]:
        """Begin to copy a result back; what is returned waits for it."""
        ...


@dataclass(frozen=True)
class _Plain:
    """To a device that does one thing after another, such as the processor."""

    device: torch.device
    readers: int = 1
    waiting: int = 0

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype)

    def send(self, batch: Tensor) -> Tensor:
        return batch.to(self.device)

    def fetch(self, found: Tensor) -> Callable[[], Tensor]:
        return found.cpu


class _Streams:
    """To a card of CUDA's, and back, on streams of their own beside the one that computes."""

    waiting = 1

    def __init__(self, device: torch.device) -> None:
        self.readers = num_cores()
        self._device = device
        self._there: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._back: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        # PyTorch gives page-locked memory out again only once the copies from it are done.
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def send(self, batch: Tensor) -> Tensor:
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._there):
            sent = batch.to(self._device, non_blocking=True)
        computing.wait_stream(self._there)
        # Its memory belongs to the other stream, which must not give it out again before the product is done.
        sent.record_stream(computing)
        return sent

    def fetch(self, found: Tensor) -> Callable[[], Tensor]:
        host = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        self._back.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._back):
            host.copy_(found, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(self._back)
        found.record_stream(self._back)

        def wait() -> Tensor:
            done.synchronize()
            return host

        return wait


def lane_to(device: torch.device) -> Lane:
    """Return the way to a device."""
    return _Streams(device) if device.type == "cuda" else _Plain(device)


def take_into(lane: Lane, inputs: Tensor, rows: Array) -> Tensor:
    """Gather rows for sending; many threads may do so at once.

    Args:
        lane: where they are sent.
        inputs: all rows, in the memory of this machine.
        rows: which.
    """
    batch = lane.room((len(rows), *inputs.shape[1:]), inputs.dtype)
    # NumPy lets other threads go on, and starts none of its own; clipping is its way without a second copy.
    np.take(inputs.numpy(), rows, axis=0, out=batch.numpy(), mode="clip")
    return batch


def feed(
    lane: Lane,
    batches: Iterable[_Rows],
    read: Callable[[_Rows], Tensor],
    compute: Callable[[Tensor], Tensor],
    *,
    ahead: int = 2,
) -> Iterator[tuple[_Rows, Tensor]]:
    """Compute batches in their order; yield each with its result, in the memory of this machine.

    Args:
        lane: to the device and back.
        batches: what each of them reads.
        read: gathers a batch in a thread; its error is raised here, in the batch's turn.
        compute: gives a batch's result on the device.
        ahead: batches that are read before their turn.
    """
    pool = ThreadPoolExecutor(min(lane.readers, ahead))
    coming, reading = iter(batches), deque[tuple[_Rows, Future[Tensor]]]()
    found = deque[tuple[_Rows, Callable[[], Tensor]]]()

    def sent() -> tuple[_Rows, Tensor] | None:
        reading.extend((rows, pool.submit(read, rows)) for rows in islice(coming, ahead - len(reading)))
        if not reading:
            return None
        rows, batch = reading.popleft()
        return rows, lane.send(batch.result())

    try:
        turn = sent()
        while turn is not None:
            rows, batch = turn
            found.append((rows, lane.fetch(compute(batch))))
            turn = sent()
            while len(found) > (lane.waiting if turn else 0):
                rows, fetched = found.popleft()
                yield rows, fetched()
    finally:
        pool.shutdown(cancel_futures=True)


def num_ahead(lane: Lane, batch_bytes: int) -> int:
    """Return how many batches are read before their turn: one for each reader and one more, as far as there is room.

    >>> num_ahead(lane_to(torch.device("cpu")), 2**20), num_ahead(lane_to(torch.device("cpu")), 2**40)
    (2, 2)
    """
    return max(2, min(lane.readers + 1, AHEAD_BYTES // max(1, batch_bytes)))


def in_portions(portions: Portions, run: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Compute a batch, in halves where memory is short.

    Args:
        portions: rows that fit, so far as that is known.
        run: gives the result of some rows.
        batch: on its device.
    """
    rows = np.arange(len(batch))
    found = [part for _, part in portions.each(lambda some: run(batch[some[0] : some[-1] + 1]), rows)]
    return found[0] if len(found) == 1 else torch.cat(found)
