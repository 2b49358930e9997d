"""Files that survive a kill at any moment: they hold the old content or the new, never half of either."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headstart.core.errors import SettingError

CACHE_BYTES = 4 * 2**30
"""Disk that one kind of cached files may take."""


_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,59}")


def file_name(name: str) -> str:
    """Return what a file of this name may be called: the name if it is plain, else its letters and a short hash.

    A name that a user or a file gives is never a path.

    >>> file_name("north"), file_name("../outside"), file_name("St. Mary's 3/B")
    ('north', 'outside-102e90e5', 'st-mary-s-3-b-e607aef4')
    """
    if _PLAIN.fullmatch(name):
        return name
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub("[^a-z0-9]+", "-", letters).strip("-")[:40]
    # Surrogates stand for bytes that are no text.
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{slug or 'name'}-{digest}"


def write_names(folder: Path, names: Sequence[str], setting: str) -> dict[str, str]:
    """Return what files of these names are called; where that differs, ``names.json`` tells whose they are.

    Args:
        folder: of the files.
        names: each of which has a file.
        setting: how an error calls them.

    Raises:
        SettingError: two names differ in capitals alone, which not every disk tells apart.
    """
    files = {name: file_name(name) for name in names}
    by_file: dict[str, str] = {}
    for name, file in files.items():
        if (other := by_file.setdefault(file.casefold(), name)) != name:
            raise SettingError(
                f"{setting}: names must differ in more than capitals, received '{other}' and '{name}'; rename one"
            )
    if any(name != file for name, file in files.items()):
        write_json(folder / "names.json", {file: name for name, file in files.items()})
    return files


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


def link_or_copy(source: Path, path: Path) -> None:
    """Let ``path`` be the same file as ``source``, which nobody writes into; a copy where the disk knows no links."""

    def write(temporary: Path) -> None:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)

    write_atomically(path, write)


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
