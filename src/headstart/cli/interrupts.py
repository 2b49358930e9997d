"""Ctrl-C: the first lets a run end in order, the next ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def second_ends_at_once() -> Iterator[None]:
    """Let the first Ctrl-C raise ``KeyboardInterrupt``, and the next end the process, whatever it is at.

    Where Ctrl-C is ignored, as in a shell's background job, it stays so.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _first)
    try:
        yield
    finally:
        # After the first one the next must still end the process, while it closes.
        if signal.getsignal(signal.SIGINT) is _first:
            signal.signal(signal.SIGINT, before)


def _first(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt
