"""Faults of the engine told from a client's: memory, processes, the device; and work in halves where memory is short.

PyTorch and the system give some of them a type; where they give none, the message decides.
"""

from __future__ import annotations

import errno
import gc
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from headstart.core.arrays import Array
from headstart.core.errors import EngineError, HeadstartError

_Found = TypeVar("_Found")

_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "bad allocation",
    "std::bad_alloc",
)
"""What PyTorch says of memory where its error has no type of its own."""

_FORKED = ("autograd's threading in combination with fork", "in forked subprocess")
"""What it says in a process that was forked after it had used a card."""

_TWO_DEVICES = re.compile(
    r"to be on the same device|on different devices|but expected it to be on|"
    r"\(torch\.\w+Tensor\) and weight type \(torch\.\w+\.\w+Tensor\)"
)
"""What it says where tensors lie on two devices."""

_DEVICE_FAILED = ("CUDA error", "CUDA driver error", "cuDNN error", "CUDNN_STATUS_", "CUBLAS_STATUS_", "MPS error")
"""What it says where a card, or a library of it, fails: ``torch.AcceleratorError``, which older versions lack."""

_SYSTEM = frozenset({errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.EPIPE})
"""What the system refuses where memory, processes or pipes run out."""

_LINE = 120
"""Characters of another's message that are repeated."""

NO_ROOM = (
    "lower batch_size, train fewer blocks, set fewer engine.workers, or give it more memory, such as the machine's in "
    'the place of a card\'s (engine.device = "cpu")'
)
"""The way out where one client, or one row, finds no memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory ran out, of the machine or of a card.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("not enough memory"))
    (True, False)
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def fault_of(error: BaseException) -> EngineError | None:
    """Return an error as the engine's, with its way out; None where it may be a client's.

    >>> print(fault_of(MemoryError("Unable to allocate 8 GiB")))
    memory ran out (MemoryError: Unable to allocate 8 GiB); lower batch_size, ...
    >>> fault_of(ValueError("its labels are words")) is None
    True
    """
    if isinstance(error, EngineError):
        return error
    if isinstance(error, HeadstartError):
        return None
    if is_out_of_memory(error):
        return EngineError(f"memory ran out ({_words(error)}); {NO_ROOM}")
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        return EngineError(f"the system gives no more ({_words(error)}); set fewer engine.workers, or raise its limits")
    return _fault_of_torch(error)


def _fault_of_torch(error: BaseException) -> EngineError | None:
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    if any(words in text for words in _FORKED):
        return EngineError(
            f'a process was forked beside a card ({_words(error)}); set engine.way = "loop" or "stack", or hide the '
            "card (CUDA_VISIBLE_DEVICES=)"
        )
    if _TWO_DEVICES.search(text):
        return EngineError(f'tensors lie on two devices ({_words(error)}); engine.device = "cpu" goes without a card')
    if any(words in text for words in _DEVICE_FAILED):
        return EngineError(f'the device failed ({_words(error)}); start again, or go without it: engine.device = "cpu"')
    return None


def _words(error: BaseException) -> str:
    """Say an error by the beginning of its first line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    shown = textwrap.shorten(first, _LINE, placeholder=" …")
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


@contextmanager
def engine_faults() -> Iterator[None]:
    """Raise what is the engine's fault as its error; let others pass.

    Raises:
        EngineError: memory, processes or the device fail.

    >>> with engine_faults():
    ...     raise MemoryError
    Traceback (most recent call last):
    headstart.core.errors.EngineError: memory ran out (MemoryError); lower batch_size, ...
    """
    try:
        yield
    except Exception as error:
        fault = fault_of(error)
        if fault is None or fault is error:
            raise
        raise fault from error


def free_memory() -> None:
    """Give back what is not in use: objects in cycles, and what PyTorch keeps of a card's memory."""
    gc.collect()
    torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


@dataclass
class Portions:
    """Work on many things a portion at a time: one that finds no memory is halved, and so are all after it.

    Attributes:
        most: things of a portion; None for as many as come. It stays as small as it got.
    """

    most: int | None = None

    def each(self, work: Callable[[Array], _Found], things: Array) -> Iterator[tuple[Array, _Found]]:
        """Yield each portion in order, and what the work made of it.

        Raises:
            Exception: what the work raises; want of memory only from a single thing.

        >>> def work(some):
        ...     if len(some) > 2:
        ...         raise MemoryError
        ...     return int(some.sum())
        >>> import numpy as np
        >>> portions = Portions()
        >>> [found for _, found in portions.each(work, np.arange(5))], portions.most
        ([1, 5, 4], 2)
        """
        start = 0
        while start < len(things):
            some = things[start : start + (self.most or len(things))]
            found = self._tried(work, some)
            if found is None:
                free_memory()
                continue
            yield some, found[0]
            start += len(some)

    def _tried(self, work: Callable[[Array], _Found], some: Array) -> tuple[_Found] | None:
        """Return what the work makes of a portion; None where it is halved, once what the error held is let go."""
        try:
            return (work(some),)
        except Exception as error:
            if len(some) == 1 or not is_out_of_memory(error):
                raise
            self.most = len(some) // 2
            return None
