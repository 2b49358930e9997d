"""Where data lie as seen from a study file, and what lies beside them."""

from __future__ import annotations

import os
from pathlib import Path

from headstart.study.init.roles import is_pool

_NO_PATHS = ("digits", "glyphs")
_HUB = "hub:"


def source_name(data: str, folder: Path) -> str:
    """Return how a study file in a folder names data.

    Args:
        data: an embedded name, ``hub:NAME``, or a path from the working folder.
        folder: of the study file.

    >>> source_name("data/x.csv", Path("studies")), source_name("digits", Path("studies"))
    ('../data/x.csv', 'digits')
    """
    if _is_no_path(data):
        return data
    path = Path(os.path.relpath(os.path.realpath(Path(data).expanduser()), os.path.realpath(folder))).as_posix()
    # What a study file would not take for a path.
    return f"./{path}" if _is_no_path(path) or path.startswith("python:") else path


def pool_beside(data: str, folder: Path) -> str | None:
    """Return the one source beside the data that is called as a server's pool is, as a study file names it."""
    path = Path(data).expanduser().absolute()
    if _is_no_path(data) or not path.exists() or is_pool(path.stem):
        return None
    others = [one for one in path.parent.iterdir() if is_pool(one.stem) and _is_alike(one, path)]
    return source_name(str(others[0]), folder) if len(others) == 1 else None


def _is_no_path(data: str) -> bool:
    return data in _NO_PATHS or data.startswith(_HUB)


def _is_alike(one: Path, path: Path) -> bool:
    return one.is_dir() == path.is_dir() and (one.is_dir() or one.suffix == path.suffix)
