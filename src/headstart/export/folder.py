"""A folder that is there whole or not at all: written beside its place, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.core.errors import SettingError


def check_new(out: Path) -> None:
    """Refuse a folder in which something is.

    Raises:
        SettingError: it is there and not empty, or it is no folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(f"out: must be a new or an empty folder, received '{out}'; name another")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder to fill, and put it in its place when nothing went wrong; else nothing is left of it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield folder
        if out.exists():
            out.rmdir()
        folder.chmod(0o755)
        folder.replace(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
