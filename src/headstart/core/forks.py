"""Processes cloned from this one: where that may be, and with one error where the system refuses."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from headstart.core.errors import EngineError
from headstart.core.machine import why_no_fork


def end_with_parent() -> None:
    """Leave Ctrl-C to the process that this one was cloned from, and end at once where told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def fork(target: Callable[..., object], *arguments: Any) -> BaseProcess:
    """Start a clone of this process that does one thing and ends with this one.

    Args:
        target: what it does; nothing is pickled.
        arguments: of the target.

    Raises:
        EngineError: this process may not be cloned, or the system refuses: processes or memory ran out.
    """
    if why := why_no_fork():
        raise EngineError(f'engine.way: "workers" clones this process, which it may not: {why}; set "loop" or "stack"')
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments, daemon=True)
    try:
        with warnings.catch_warnings():
            # Newer Pythons warn of any fork beside threads; PyTorch's idle ones hold no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    except OSError as error:
        raise EngineError(
            f"a process could not be started ({os.strerror(error.errno or 0)}); set fewer engine.workers, or "
            "raise the system's limit of processes and memory"
        ) from error
    return process
