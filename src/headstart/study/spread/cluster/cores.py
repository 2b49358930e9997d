"""Cores of one's own: whoever takes one on a machine holds a lock that the system frees when the process ends.

Two workers on one core wait for each other, and PyTorch would start a thread per core in each: 26 pieces took two
workers 20 to 24 seconds, and 11 to 13 once each had its own core.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout


@dataclass(frozen=True)
class Room:
    """What a worker has of its machine.

    Attributes:
        cores: that it alone runs on; empty where all were taken.
        folder: for its files; the next one on these cores empties it.
        locks: held as long as it lives.
    """

    cores: tuple[int, ...]
    folder: Path
    locks: tuple[FileLock, ...]


def settled(count: int) -> Room:
    """Make this process one of several workers: it keeps to cores of its own, with a thread on each."""
    room = take_room(count)
    if room.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, room.cores)
    torch.set_num_threads(count)
    warnings.simplefilter("ignore")
    return room


def take_room(count: int, among: Sequence[int] | None = None, place: Path | None = None) -> Room:
    """Take ``count`` free cores, and a folder of this process' own.

    Args:
        count: of cores, at least 1.
        among: cores that may be taken; None for those on which this process may run.
        place: where locks and folders lie; None for a folder of this user's among the temporary ones.
    """
    place = place or Path(tempfile.gettempdir()) / f"headstart-{os.getuid()}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise PermissionError(f"'{place}' belongs to another user; delete it, or set TMPDIR")
    locks = _free(allowed_cores() if among is None else among, count, place)
    if len(locks) < count:
        for lock in locks.values():
            lock.release()
        return Room((), Path(tempfile.mkdtemp(prefix="worker-", dir=place)), ())
    return Room(tuple(locks), place / f"core-{next(iter(locks))}", tuple(locks.values()))


def allowed_cores() -> list[int]:
    """Return the cores on which this process may run."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]


def _free(among: Sequence[int], count: int, place: Path) -> dict[int, FileLock]:
    found: dict[int, FileLock] = {}
    for core in among:
        lock = FileLock(place / f"core-{core}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        found[core] = lock
        if len(found) == count:
            break
    return found
