"""Files that survive a kill at any moment: they hold the old content or the new, never half of either."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from headstart.core.damage import Damaged
from headstart.core.disk import writing
from headstart.core.errors import DataError, SettingError
from headstart.core.sealed import AnyNeeds, parsed, sealed

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
        # Without a checksum: it is for people.
        write_text(folder / "names.json", json.dumps({file: name for name, file in files.items()}, indent=2) + "\n")
    return files


def write_atomically(path: Path, write: Callable[[Path], None], wanted: int | None = None) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, and rename it into place.

    Args:
        path: of the file.
        write: fills the file that it is given.
        wanted: bytes that this takes, for the error.

    Raises:
        DiskError: the disk does not take it; what was there before stays.
    """
    with writing(path, wanted):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            # Where not even this may be done, the error of before is the one to hear of.
            with suppress(OSError):
                temporary.unlink()


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
    content = text.encode()

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write, len(content))


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file anew that nobody but its owner could read at any moment, where ``mode`` does not say otherwise."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def write_json(path: Path, value: Any, owner: str = "") -> None:
    """Write JSON atomically, indented, keys in the order given; an object with its checksum as its last entry.

    Args:
        path: of the file.
        value: an object, or anything else that JSON can say, which has no checksum then.
        owner: whose file it is, where files of this name are found elsewhere too.
    """
    write_text(path, json.dumps(sealed(value, path.name, owner), indent=2, allow_nan=False) + "\n")


def read_json(path: Path, needs: AnyNeeds = None, owner: str = "") -> Any:
    """Read a JSON file, without its checksum; None when there is none.

    Args:
        path: of the file.
        needs: entries of an object that has no checksum, for it is older.
        owner: whose file it must be, where it says that; empty takes anybody's.

    Raises:
        Damaged: it is not what was written, or another's.
        DataError: it may not be read.
    """
    content = _content(path)
    return None if content is None else parsed(path, content, needs, owner=owner)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of killed processes, in a folder that no other process writes to."""
    # The second kind is what safetensors writes before it renames.
    for pattern in (".*.tmp", ".tmp*"):
        for temporary in folder.rglob(pattern):
            if not temporary.is_dir():
                temporary.unlink(missing_ok=True)


def append_json_line(path: Path, value: Any) -> None:
    """Append one JSON line and sync it; a torn last line from an earlier kill is cut off first.

    Raises:
        DiskError: the disk does not take it; the lines before stay, and of this one no part.
    """
    line = _line(path, value)
    with writing(path, len(line)):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: else what the disk refused would be tried again where the file is closed.
        with path.open("ab+", buffering=0) as file:
            _append_whole(file, line)


def _append_whole(file: FileIO, line: bytes) -> None:
    """Append a line, or leave the file as long as it was."""
    _cut_torn_line(file)
    end = file.tell()
    try:
        written = 0
        while written < len(line):
            written += file.write(line[written:])
        os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            file.truncate(end)
        raise


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Write a JSON-lines file anew, atomically."""
    write_text(path, b"".join(_line(path, value) for value in values).decode())


def read_json_lines(path: Path, needs: AnyNeeds = None, bad: Callable[[Damaged], None] | None = None) -> list[Any]:
    """Read the complete lines of a JSON-lines file, without their checksums; a torn last line does not count.

    Args:
        path: of the file; without one there are no lines.
        needs: entries of a line that has no checksum, for it is older.
        bad: told of each line that is damaged, and of a folder in the file's place; None raises the first.

    Raises:
        Damaged: a line is not what was written.
        DataError: the file may not be read.
    """
    lines: list[Any] = []
    for number, line in _complete_lines(path, bad):
        try:
            lines.append(parsed(path, line, needs, f"line {number}: "))
        except Damaged as error:
            _raise_or_tell(error, bad)
    return lines


def _complete_lines(path: Path, bad: Callable[[Damaged], None] | None) -> list[tuple[int, bytes]]:
    """Return the lines that end, those that are not empty, with their numbers."""
    try:
        complete, _, _ = (_content(path) or b"").rpartition(b"\n")
    except Damaged as error:
        _raise_or_tell(error, bad)
        return []
    return [(number, line) for number, line in enumerate(complete.split(b"\n"), start=1) if line.strip()]


def _line(path: Path, value: Any) -> bytes:
    return json.dumps(sealed(value, path.name), allow_nan=False).encode() + b"\n"


def _raise_or_tell(error: Damaged, bad: Callable[[Damaged], None] | None) -> None:
    """Tell of damage, or raise it."""
    if bad is None:
        raise error
    bad(error)


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
    """Return what the system says of a file; None of one that is gone, and of a folder."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _cut_torn_line(file: FileIO) -> None:
    file.seek(0)
    content = file.read()
    file.truncate(content.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def check_readable(path: Path) -> None:
    """Refuse a file that this user may not read: that says nothing about its content.

    Raises:
        DataError: it is there, and may not be read.
    """
    if path.exists() and not os.access(path, os.R_OK):
        raise _unreadable(path, "permission denied")


def _unreadable(path: Path, why: str | None) -> DataError:
    return DataError(f"'{path}' cannot be read ({why}); make it readable for this user, or give another folder")


def _content(path: Path) -> bytes | None:
    """Return a file's bytes; None where there is none.

    Raises:
        Damaged: it is a folder, or a link to itself.
        DataError: it may not be read.
    """
    if path.is_dir():
        raise Damaged(path, "it is a folder")
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Damaged(path, "it is a link to itself") from None
        raise _unreadable(path, error.strerror) from error
