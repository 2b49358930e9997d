"""Whose a run folder's files are: files of one name lie in every folder, and one is not taken for another's."""

from __future__ import annotations

from pathlib import Path

from headstart.core.damage import Damaged
from headstart.core.files import read_json

_SAYS = {"clients": list, "classes": list, "central": int, "key": str}


def owner_of(folder: Path) -> str:
    """Name the study and the data that a folder's files belong to; empty where ``federation.json`` does not say.

    >>> owner_of(Path("no/folder"))
    ''
    """
    try:
        found = read_json(folder / "federation.json", _SAYS) or {}
    except Damaged:
        return ""
    return f"{found['study']}-{found['key']}" if {"key", "study"} <= found.keys() else ""
