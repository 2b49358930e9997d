"""The account of a source: what was read, used, left out and why; kept while reading, not made up after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from headstart.data.examples import Examples

FIRST_ROWS = 5
"""How many of the rows left out are named."""


@dataclass(frozen=True)
class LeftOut:
    """Rows that were read and are not used.

    Attributes:
        count: how many, at least 1.
        why: the reason, such as ``'label' is empty``.
        rows: numbers of the first of them in the source as it was opened.
    """

    count: int
    why: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Used:
    """A column of the source that counts, and the part it plays: ``input``, ``label``, ``client``, ``id``, …."""

    name: str
    part: str


@dataclass(frozen=True)
class Dropped:
    """A column of the source that is neither an input nor plays another part, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Filled:
    """Empty cells of an input column that were filled.

    Attributes:
        column: its name.
        count: how many cells, at least 1.
        how: with what, such as ``mean outside test, 41.3``.
    """

    column: str
    count: int
    how: str


@dataclass(frozen=True)
class Encoded:
    """An input column that is no number, and how it became numbers."""

    column: str
    how: str


@dataclass(frozen=True)
class Converted:
    """Inputs that were changed to be read.

    Attributes:
        what: which, such as ``RGBA images``.
        how: such as ``composited on white``.
        count: how many, at least 1.
    """

    what: str
    how: str
    count: int


@dataclass(frozen=True)
class Telling:
    """An input column that alone tells the label: scores are worth nothing where it is not known before."""

    column: str
    label: str


Finding = str | LeftOut | Used | Dropped | Filled | Encoded | Converted | Telling
"""What a step of reading has to say: a record for the account, or a note (plain text) on what is odd."""
Findings = tuple[Finding, ...]
_Record = TypeVar("_Record", LeftOut, Used, Dropped, Filled, Encoded, Converted, Telling)


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of one source. ``rows`` is ``used`` and all that was left out, always.

    Attributes:
        source: its name.
        kind: what an input is, such as ``table`` or ``image 3x64x64``.
        rows: rows read.
        used: rows that a client (or the pool) holds.
        left_out: rows that nobody holds, one entry a reason.
        parts: columns that are no inputs, each with the part it plays: ``label``, ``client``, ``id``, ``split``, ….
        inputs: columns that the inputs are made of.
        dropped: all other columns of the source, each with its reason.
        filled: empty cells that were filled, by column.
        encoded: input columns that are no numbers.
        converted: inputs that were changed to be read.
        telling: input columns that alone tell the label.
        standardised: how columns were brought to one scale; empty where nothing was.
        predicts: what is to be predicted, in words; empty where it is the class.
        classes: rows used of each class (of each stratum, where something else is predicted), in their order; those
            without a label count for none.
        clients: rows used of each client; empty for a pool.
        splits: rows used of train, val and test; empty for a pool.
        central: the account of the server's pool; None where there is none.
    """

    source: str
    kind: str
    rows: int
    used: int
    left_out: tuple[LeftOut, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    filled: tuple[Filled, ...] = ()
    encoded: tuple[Encoded, ...] = ()
    converted: tuple[Converted, ...] = ()
    telling: tuple[Telling, ...] = ()
    standardised: str = ""
    predicts: str = ""
    classes: Mapping[str, int] = field(default_factory=dict)
    clients: Mapping[str, int] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    central: Account | None = None

    @property
    def missing_rows(self) -> int:
        """Rows read of which nothing is known: 0, or the account is wrong."""
        return self.rows - self.used - sum(one.count for one in self.left_out)

    def with_findings(self, findings: Findings) -> Account:
        """Add the records among findings; notes are not of the account."""
        used = _of(Used, findings)
        return replace(
            self,
            parts={**self.parts, **{one.name: one.part for one in used if one.part != "input"}},
            inputs=(*self.inputs, *(one.name for one in used if one.part == "input")),
            left_out=(*self.left_out, *_of(LeftOut, findings)),
            dropped=(*self.dropped, *_of(Dropped, findings)),
            filled=(*self.filled, *_of(Filled, findings)),
            encoded=(*self.encoded, *_of(Encoded, findings)),
            converted=(*self.converted, *_of(Converted, findings)),
            telling=(*self.telling, *_of(Telling, findings)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return what ``federation.json`` holds."""
        return asdict(self)


def account_of(source: str, rows: int, examples: Examples, findings: Findings) -> Account:
    """Begin the account of a source.

    Args:
        source: its name.
        rows: rows that it had when it was opened.
        examples: what was made of it.
        findings: what reading it had to say.
    """
    counts = np.bincount(examples.labels[examples.labels >= 0], minlength=len(examples.classes))
    classes = dict(zip(examples.classes, counts.tolist(), strict=True))
    kind = "x".join(map(str, examples.shape)) if examples.kind == "image" else ""
    account = Account(
        source=source,
        kind=f"{examples.kind} {kind}".strip(),
        rows=rows,
        used=len(examples),
        predicts="" if examples.targets is None else examples.targets.in_words,
        classes=classes,
    )
    return account.with_findings(findings)


def notes_in(findings: Findings) -> tuple[str, ...]:
    """Return the notes among findings.

    >>> notes_in(("two clients look the same", Dropped("city", "text")))
    ('two clients look the same',)
    """
    return tuple(found for found in findings if isinstance(found, str))


def left_out(numbers: Sequence[int] | np.ndarray[Any, Any], why: str) -> tuple[LeftOut, ...]:
    """Return the record of rows left out, by their numbers in the source; none where there are none.

    >>> left_out([3, 5], "'label' is empty")
    (LeftOut(count=2, why="'label' is empty", rows=(3, 5)),)
    """
    first = tuple(int(number) for number in numbers[:FIRST_ROWS])
    return (LeftOut(len(numbers), why, first),) if len(numbers) else ()


def _of(kind: type[_Record], findings: Findings) -> tuple[_Record, ...]:
    return tuple(found for found in findings if isinstance(found, kind))
