"""How much memory files may be decoded to: a few bytes on disk can stand for more than any machine has."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

from headstart.core.errors import DataError, SettingError

_VARIABLE = "HEADSTART_MEMORY_GB"
_SHARE = 0.5
_UNKNOWN = 8 * 10**9
"""Bytes of memory that a machine has which does not say."""

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> int:
    """Return the bytes that one source may be decoded to: half of the machine's memory, or ``$HEADSTART_MEMORY_GB``.

    It is a setting of the machine and not of the study, which may be a stranger's.

    Raises:
        SettingError: the variable holds no number above 0.
    """
    said = os.environ.get(_VARIABLE)
    if said is None:
        return int(_SHARE * _memory())
    try:
        most = float(said)
    except ValueError:
        most = math.nan
    if not 0 < most < math.inf:
        raise SettingError(f"{_VARIABLE}: must be a number above 0, received {said!r:.40}; leave it out, or write 8")
    return int(most * 1e9)


def check_memory(setting: str, what: str, needed: float, way_out: str) -> None:
    """Check that something can be decoded at all.

    Args:
        setting: that names it, for the message.
        what: it is.
        needed: bytes that it would take, about.
        way_out: what to do, besides giving more memory.

    Raises:
        DataError: it takes more than ``memory_limit``.
    """
    most = memory_limit()
    if needed > most:
        raise DataError(
            f"{setting}: {what} may take at most {most / 1e9:.3g} GB of memory here, received one that takes about "
            f"{needed / 1e9:.3g} GB; {way_out}, or allow more with {_VARIABLE}"
        )


@cache
def _memory() -> int:
    """Return the bytes of memory of this machine, or of the container around this process."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        found = _UNKNOWN
    try:
        return min(found, int(_CGROUP.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit
        return found
