"""Which pieces wait, which are under way, and which may begin."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from headstart.core.errors import EngineError, HeadstartError
from headstart.study.spread.answer import Answer
from headstart.study.spread.piece import Piece

MOST_DEATHS = 3
"""Processes that may die over one piece before it is given up."""


def never() -> bool:
    """Say that it is never too late."""
    return False


@dataclass
class Board:
    """Pieces in the order in which they begin: larger ones first, each after those whose nodes it needs.

    Attributes:
        is_late: says whether nothing more may begin.
        is_sorted: whether larger ones begin first; else they begin in the order in which they came.
        ended: pieces that ended, the next to be looked at first; whoever looks at one takes it off.

    >>> from headstart.study.written.arms import Arm
    >>> start = Piece("start", 0, (Arm("a", "random"),), makes=("node",))
    >>> whole = Piece("result", 0, (Arm("a", "random"),), ("val",), needs=("node",), size=2)
    >>> board = Board()
    >>> board.add([whole, start])
    >>> board.next().kind, board.next()
    ('start', None)
    >>> board.end(start, Answer())
    >>> board.next().kind
    'result'
    """

    is_late: Callable[[], bool] = never
    is_sorted: bool = True
    ended: deque[tuple[Piece, Answer]] = field(default_factory=deque)
    _waiting: list[Piece] = field(default_factory=list)
    _under_way: dict[str, Piece] = field(default_factory=dict)
    _failed: dict[str, HeadstartError] = field(default_factory=dict)
    _deaths: Counter[str] = field(default_factory=Counter)

    def add(self, pieces: Iterable[Piece]) -> None:
        """Put up pieces; those that wait or are under way stay as they are."""
        for piece in pieces:
            # Two arms, or seeds, may need the same node; heads leave more than what others need.
            is_made = piece.kind in ("start", "federate") and self.to_be_made.issuperset(piece.makes)
            if not is_made and piece.key not in self.pending:
                self._waiting.append(piece)
        if self.is_sorted:
            self._waiting.sort(key=lambda piece: -piece.size)

    @property
    def pending(self) -> set[str]:
        """Keys of the pieces that have not ended."""
        return {*self._under_way, *(piece.key for piece in self._waiting)}

    @property
    def to_be_made(self) -> set[str]:
        """Keys of nodes that pieces which have not ended will leave."""
        return {key for piece in (*self._waiting, *self._under_way.values()) for key in piece.makes}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, and nothing may begin."""
        return not self._under_way and not self._first()

    def next(self) -> Piece | None:
        """Take the piece that begins next, told which of its nodes cannot be computed; None where none may."""
        found = self._first()
        if not found:
            return None
        self._waiting.remove(found)
        self._under_way[found.key] = found
        failed = Answer({key: self._failed[key] for key in (*found.needs, *found.makes) if key in self._failed})
        return replace(found, failed=failed.as_json()["failed"])

    def _first(self) -> Piece | None:
        """Return the first piece that may begin."""
        if not self._waiting or self.is_late():
            return None
        missing = self.to_be_made
        return next((piece for piece in self._waiting if missing.isdisjoint(piece.needs)), None)

    def end(self, piece: Piece, answer: Answer) -> None:
        """Note that a piece has ended, well or not."""
        del self._under_way[piece.key]
        self._failed.update(answer.failed)
        self.ended.append((piece, answer))

    def again(self, piece: Piece) -> None:
        """Have a piece begun again: its process died.

        Raises:
            EngineError: that happened for the third time.
        """
        del self._under_way[piece.key]
        self._deaths[piece.key] += 1
        if self._deaths[piece.key] >= MOST_DEATHS:
            arms = ", ".join(dict.fromkeys(arm.name for arm in piece.arms))
            raise EngineError(
                f"jobs: {MOST_DEATHS} processes died over {arms}, seed {piece.seed}; is there enough memory? "
                "run fewer jobs; finished work is kept"
            )
        self._waiting.insert(0, piece)
