"""Who does pieces of a study: processes on this machine, or on many."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from headstart.study.spread.board import Board


class Hands(Protocol):
    """Processes that have opened the study, and leave nodes in its run folder."""

    @property
    def count(self) -> int:
        """How many pieces are done at once."""
        ...

    def go_on(self, board: Board) -> None:
        """Let whoever is free begin what :meth:`Board.next` gives, and wait until a piece ends.

        Every piece that ends is told to :meth:`Board.end` once its nodes can be read in the run folder; one whose
        process died goes to :meth:`Board.again`. Returns at once where nothing is under way and nothing can be begun.

        Raises:
            EngineError: processes die over one piece.
        """
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process, whatever it is at: nodes are whole, or not there."""
        ...
