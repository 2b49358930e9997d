"""A site's seat at the link: who takes the place of a program that was killed need not wait until that one is missed.

The link lets nobody in twice, and misses a killed program after a minute. A state folder serves one program at a time,
which its lock says; so whoever holds the lock may give up the seat that the folder still names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headstart.core.files import read_json, write_json


@dataclass(frozen=True)
class Seat:
    """What a state folder knows of it.

    Attributes:
        path: of the file that names it.
        is_ours: whether no other program can be using the folder.
    """

    path: Path
    is_ours: bool

    def left(self, address: str) -> int | None:
        """Return the number that a program of this folder had at a link, and may not have given back."""
        known = read_json(self.path) or {}
        return int(known["node"]) if self.is_ours and known.get("link") == address else None

    def take(self, address: str, node: int) -> None:
        """Remember the number that the site now has."""
        if self.is_ours:
            write_json(self.path, {"link": address, "node": str(node)})


@contextmanager
def seat(state: Path) -> Iterator[Seat]:
    """Hold a folder's lock as long as a site is served from it; the kernel takes it back however a program ends.

    Without locks (Windows), or where another program holds it, no seat is given up.
    """
    with (state / "seat.lock").open("ab") as file:
        yield Seat(state / "seat.json", _locks(file.fileno()))


def _locks(file: int) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True
