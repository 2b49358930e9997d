"""What a site holds in memory from one request to the next; what is asked for anew takes its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class Last(Generic[T]):
    """The last thing that was made, by a name that says all it depends on.

    >>> last = Last[int]()
    >>> last.get("a", lambda: 1), last.get("a", lambda: 2), last.get("b", lambda: 3), last.get("a", lambda: 4)
    (1, 1, 3, 4)
    """

    _name: str = ""
    _found: T | None = None

    def get(self, name: str, make: Callable[[], T]) -> T:
        """Return what has this name, made if it is not the last one."""
        if self._found is None or self._name != name:
            self._found = None  # both at once may be more than memory holds
            self._found, self._name = make(), name
        return self._found
