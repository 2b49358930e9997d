"""Programs end together: what is started here does not outlive this program, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import IO, Protocol

_ENDING = tuple(
    found for name in ("SIGTERM", "SIGHUP") if (found := getattr(signal, name, None)) is not None
)  # SIGHUP is a terminal's that was closed; Windows has none
_GRACE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


class StartProgram(Protocol):
    """Starts a program that ends when this one does."""

    def __call__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, log: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start it; without a log it writes to this terminal."""


@contextmanager
def together(grace: float = _GRACE_SECONDS) -> Iterator[StartProgram]:
    """Let programs run as long as this block.

    They are told to end when the block ends: at its last line, by an error, by Ctrl-C, by SIGTERM, or by SIGHUP when
    the terminal is closed; what is left after ``grace`` seconds is killed. On Linux the kernel tells them also when
    this program is killed outright (SIGKILL); macOS and Windows cannot do that.

    Args:
        grace: seconds that programs have to end by themselves.

    >>> with together() as start:
    ...     sleeper = start([sys.executable, "-c", "import time; time.sleep(60)"])
    >>> sleeper.poll() is None
    False
    """
    programs: list[subprocess.Popen[bytes]] = []

    def start(
        command: Sequence[str], environment: Mapping[str, str] | None = None, log: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        # A session of its own: one signal reaches all that the program starts, and Ctrl-C reaches it through us alone.
        program = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_dies_with_parent(),
        )
        programs.append(program)
        return program

    with unwinding():
        try:
            yield start
        finally:
            with _deaf():
                _end(programs[::-1], grace)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], object] | signal.Handlers, *signals: int) -> Iterator[None]:
    """Handle signals within a block; another thread than the first may not, and does not."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def unwinding() -> AbstractContextManager[None]:
    """Let the signals that end a program end the block first."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    return _handling(leave, *_ENDING)


def _deaf() -> AbstractContextManager[None]:
    """Let nothing interrupt the end of programs."""
    return _handling(signal.SIG_IGN, signal.SIGINT, *_ENDING)


def _end(programs: Sequence[subprocess.Popen[bytes]], grace: float) -> None:
    for program in programs:
        _tell(program, signal.SIGTERM)
    end = time.monotonic() + grace
    for program in programs:
        with suppress(subprocess.TimeoutExpired):
            program.wait(max(0.0, end - time.monotonic()))
    for program in programs:
        # Also where the program itself has ended: others of its session may not have.
        _tell(program, getattr(signal, "SIGKILL", signal.SIGTERM))
        program.wait()


def _tell(program: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to all of a program's session."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(program.pid, number)
        else:
            program.send_signal(number)


def _dies_with_parent() -> Callable[[], None] | None:
    """Return what a new program does before it begins, so that the kernel ends it with this one; None if none can."""
    if sys.platform != "linux":
        return None
    control, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def begin() -> None:
        control(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it ended in between
            os.kill(os.getpid(), signal.SIGTERM)

    return begin
