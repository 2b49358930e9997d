"""Telling a waiting user what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Tell = Callable[[str], None]
"""Told in a few words what is being done."""


class Progress(Protocol):
    """Is told how much there is to do, what is being done, and what is finished."""

    def plan(self, runs: int) -> None:
        """Learn the number of runs (arms × seeds, and tuning trials), finished ones too; again when it changes."""
        ...

    def tell(self, text: str) -> None:
        """Learn what is being done now."""
        ...

    def finish(self, text: str) -> None:
        """Learn that one run is finished, with a line about it."""
        ...

    def stand(self, text: str) -> None:
        """Learn, in a line, what the answer is so far, and what is left to be decided."""
        ...

    def warn(self, text: str) -> None:
        """Learn, in a line, what the user must know before more is done."""
        ...

    def count(self, what: str, done: int, total: int) -> None:
        """Learn how many examples a long pass over the data has done, and how many there are."""
        ...


class Silent:
    """Says nothing."""

    def plan(self, runs: int) -> None:
        """Say nothing."""

    def tell(self, text: str) -> None:
        """Say nothing."""

    def finish(self, text: str) -> None:
        """Say nothing."""

    def stand(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def count(self, what: str, done: int, total: int) -> None:
        """Say nothing."""
