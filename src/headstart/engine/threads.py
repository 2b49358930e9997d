"""How many threads PyTorch works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
