"""Progress that hands counts on."""

from __future__ import annotations

from collections.abc import Callable

from headstart.core.progress import Silent


class Counting(Silent):
    """Calls a function with what is counted, how much is done and how much there is."""

    def __init__(self, call: Callable[[str, int, int], None]) -> None:
        self._call = call

    def count(self, what: str, done: int, total: int) -> None:
        self._call(what, done, total)
