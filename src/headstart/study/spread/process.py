"""A process that does pieces: it keeps to its cores, leaves the terminal alone, and ends with who began it."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import platform
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

import torch

from headstart.core.forks import end_with_parent
from headstart.core.quiet import be_silent
from headstart.study.run.pipeline import Pipeline
from headstart.study.spread.answer import Answer
from headstart.study.spread.doing import do_piece
from headstart.study.spread.piece import Piece, read_piece

_DIES_WITH_PARENT = 1
"""Linux: PR_SET_PDEATHSIG, see prctl(2)."""


def shares(count: int) -> list[list[int]]:
    """Return the cores of each of so many processes, evenly; where cores are fewer, processes share them."""
    cores = _cores()
    most = max(count, len(cores))
    return [[cores[at % len(cores)] for at in range(most) if at * count // most == process] for process in range(count)]


def _cores() -> list[int]:
    """Return the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]


def settle(cores: Sequence[int], threads: int) -> None:
    """Make this process one of several: it works on its cores, says nothing, and ends with its parent.

    Args:
        cores: that it may use.
        threads: of PyTorch.
    """
    end_with_parent()
    _die_with_parent()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    torch.set_num_threads(threads)
    be_silent()


def _die_with_parent() -> None:
    """Have the system end this process when its parent ends, however that does; elsewhere it ends after its piece."""
    parent = multiprocessing.parent_process()
    if platform.system() != "Linux" or parent is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent.pid:
        os._exit(1)


def serve(pipe: Connection, pipelines: Callable[[int], Pipeline]) -> None:
    """Do pieces until the other end of the pipe is closed.

    Args:
        pipe: brings pieces, as JSON says them, and takes answers.
        pipelines: of each seed.
    """
    while True:
        try:
            piece = read_piece(json.loads(pipe.recv_bytes()))
            pipe.send_bytes(json.dumps(_answer(piece, pipelines).as_json()).encode())
        except (EOFError, OSError):
            return


def _answer(piece: Piece, pipelines: Callable[[int], Pipeline]) -> Answer:
    """Do a piece; what else stops it, such as a full disk, is met by whoever needs its nodes next."""
    try:
        return do_piece(piece, pipelines(piece.seed))
    except Exception:  # to die of it would be taken for too little memory
        return Answer()
