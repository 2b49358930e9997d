"""Memory and processor time of a process and everything it started, from ``/proc`` (Linux)."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")
MB = 2**20


@dataclass(frozen=True)
class Memory:
    """Resident memory in bytes, and the part of it that no file backs (nor may be dropped at need)."""

    resident: int
    anonymous: int

    def largest(self, other: Memory) -> Memory:
        """Return the larger of each."""
        return Memory(max(self.resident, other.resident), max(self.anonymous, other.anonymous))


def descendants(root: int) -> list[int]:
    """Return a process and every live process below it."""
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def memory(processes: list[int]) -> Memory:
    """Add up memory over processes, as the peers' own script does: what two of them share counts twice."""
    sizes = [_status(process) for process in processes]
    resident, anonymous, shared = (sum(size.get(k, 0) for size in sizes) for k in ("VmRSS", "RssAnon", "RssShmem"))
    return Memory(resident, anonymous + shared)


def cpu_seconds() -> float:
    """Return the processor seconds of this process, its live descendants and those it has waited for."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total + sum(map(_cpu_of, _children(os.getpid())))


class Sampler:
    """Watches the memory of a process tree from a thread, while the ``with`` block runs.

    Args:
        root: the process at the top.
        seconds: between two looks.
    """

    def __init__(self, root: int, seconds: float = 0.05) -> None:
        self.peak = Memory(0, 0)
        self._root, self._seconds = root, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._seconds)

    def look(self) -> None:
        """Take one sample."""
        self.peak = self.peak.largest(memory(descendants(self._root)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()


def _children(root: int) -> list[int]:
    return [process for process in descendants(root) if process != root]


def _cpu_of(process: int) -> float:
    """Seconds of a process and of those it has waited for."""
    fields = _stat(process)
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _stat(process: int) -> list[str]:
    """Return the fields of ``stat`` after the name: state, parent, …; empty when the process is gone."""
    try:
        text = (PROC / str(process) / "stat").read_text()
    except OSError:
        return []
    # A name may hold spaces and brackets.
    return text[text.rindex(")") + 2 :].split()


def _status(process: int) -> dict[str, int]:
    """Return sizes in bytes; empty when the process is gone."""
    return dict(_sizes(process))


def _sizes(process: int) -> Iterator[tuple[str, int]]:
    try:
        lines = (PROC / str(process) / "status").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        name, _, value = line.partition(":")
        if value.endswith("kB"):
            yield name, int(value.split()[0]) * 1024
