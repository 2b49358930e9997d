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
    """Say whether this system can clone a process with what it has in memory."""
    return "fork" in multiprocessing.get_all_start_methods() and platform.system() == "Linux"


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
