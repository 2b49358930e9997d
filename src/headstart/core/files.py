"""Files that survive a kill at any moment: they hold the old content or the new, never half of either."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

CACHE_BYTES = 4 * 2**30
"""Disk that one kind of cached files may take."""


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; None when there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of killed processes, in a folder that no other process writes to."""
    # The second kind is what safetensors writes before it renames.
    for pattern in (".*.tmp", ".tmp*"):
        for temporary in folder.rglob(pattern):
            temporary.unlink(missing_ok=True)


def append_json_line(path: Path, value: Any) -> None:
    """Append one JSON line and sync it; a torn last line from an earlier kill is cut off first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        _cut_torn_line(file)
        file.write(json.dumps(value, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(path: Path) -> list[Any]:
    """Read the complete lines of a JSON-lines file; a torn last line does not count."""
    if not path.exists():
        return []
    complete, _, _ = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in complete.splitlines() if line.strip()]


def evict(folder: Path, pattern: str, capacity: int = CACHE_BYTES) -> None:
    """Delete the files unused for longest until those that match take at most ``capacity`` bytes."""
    # A process beside this one may delete a file first.
    found = [(status, file) for file in folder.glob(pattern) if (status := _status(file))]
    total = 0
    for status, file in sorted(found, key=lambda each: each[0].st_mtime, reverse=True):
        total += status.st_size
        if total > capacity:
            file.unlink(missing_ok=True)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _cut_torn_line(file: Any) -> None:
    file.seek(0)
    content = file.read()
    file.truncate(content.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)
