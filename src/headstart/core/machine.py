"""What this machine has to offer: cores, processes, PyTorch's threads."""

from __future__ import annotations

import multiprocessing
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """Say whether this process may be cloned with what it has in memory; see :func:`why_no_fork`."""
    return not why_no_fork()


def why_no_fork() -> str:
    """Say why this process may not be cloned; empty if it may.

    Once PyTorch has computed a gradient where it sees a card, on whichever device, it has threads that no clone
    inherits, and a clone's gradients fail; one that inherits a used card cannot use it.
    """
    if "fork" not in multiprocessing.get_all_start_methods() or platform.system() != "Linux":
        return "this system cannot do it safely"
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return "it has used a card"
    if torch.accelerator.is_available():
        return "PyTorch sees a card here (CUDA_VISIBLE_DEVICES= hides it)"
    return ""


SMALL_NETWORK = 1_000_000
"""Weights below which a second thread costs more in waiting than it gives."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use ``count`` threads, and the number from before afterwards.

    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def suitable_threads(num_weights: int) -> int:
    """Return one thread for a small network, PyTorch's own choice for others."""
    return 1 if num_weights < SMALL_NETWORK else torch.get_num_threads()
