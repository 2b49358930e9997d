"""Ctrl-C, or SIGTERM as schedulers send it: the first lets a run end in order, the next ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""What each does where nobody has changed that."""


@contextmanager
def second_ends_at_once() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM raise ``KeyboardInterrupt``, and the next end the process, whatever it is at.

    Where one is ignored, as Ctrl-C in a shell's background job, it stays so.
    """
    before = {number: signal.getsignal(number) for number in _USUAL}
    for number, usual in _USUAL.items():
        if before[number] is usual:
            signal.signal(number, _first)
    try:
        yield
    finally:
        # After the first one the next must still end the process, while it closes.
        for number, own in before.items():
            if signal.getsignal(number) is _first:
                signal.signal(number, own)


def _first(_number: int, _frame: FrameType | None) -> None:
    for number in _USUAL:
        signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt
