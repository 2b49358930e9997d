"""What this machine has to offer."""

from __future__ import annotations

import multiprocessing
import os
import platform


def num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """Say whether this system can clone a process with what it has in memory."""
    return "fork" in multiprocessing.get_all_start_methods() and platform.system() == "Linux"
