"""One process at a time in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.core.disk import writing
from headstart.core.errors import SettingError


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when the process ends, however it ends.

    Raises:
        SettingError: another process holds it.
        DiskError: it cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise SettingError(
                f"--out: another process is running a study in '{folder}'; wait for it, or give another folder"
            ) from None
    try:
        yield
    finally:
        lock.release()
