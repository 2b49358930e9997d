"""What a column holds, by its type and its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from headstart.data.column_kinds import is_numeric, shape_of
from headstart.data.sources import Source
from headstart.data.sources.numbers import ambiguous_cell, first_code, words_in

Kind = Literal[
    "pictures",
    "numbers",
    "whole numbers",
    "zero or one",
    "names",
    "texts",
    "dates",
    "vectors",
    "one value",
    "nothing",
    "lists",
]

_MOST_COUNTED = 20_000
"""Different values of a column that are counted one by one."""
_SAMPLE = 1000
_FEW = 6
"""Values that are named."""
_LONG = 25
"""Letters from which a cell is a text rather than a name, where it has words too."""
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./]\d\d?[./]\d{4}([T ].*)?")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column, as it was found.

    Attributes:
        name: of the column.
        kind: what its cells are.
        distinct: different values, at least; empty cells are none.
        empty: cells without a value.
        counts: rows of each value as text, the most frequent first; empty for measurements, and where there are more
            than 20,000 of them.
        length: mean number of letters of a text or a name.
        words: cells that are no numbers in a column that else holds numbers.
        unclear: a cell such as '1,234' of a column of numbers that may be meant in two ways; "" where there is none.
    """

    name: str
    kind: Kind
    distinct: int
    empty: int
    counts: Mapping[str, int] = field(default_factory=dict)
    length: float = 0.0
    words: tuple[str, ...] = ()
    unclear: str = ""

    @property
    def is_number(self) -> bool:
        """Whether each cell is one number."""
        return self.kind in ("numbers", "whole numbers", "zero or one")

    @property
    def sizes(self) -> Sequence[int]:
        """Rows of each value, the largest first."""
        return tuple(self.counts.values())

    @property
    def in_words(self) -> str:
        """The values with their rows, where they are few, else how many rows they have.

        >>> Column(name="ill", kind="names", distinct=2, empty=0, counts={"no": 1200, "yes": 30}).in_words
        'no 1,200, yes 30'
        """
        if self.counts and len(self.counts) <= _FEW:
            return ", ".join(f"{value} {count:,}" for value, count in self.counts.items())
        least, most = (min(self.sizes), max(self.sizes)) if self.counts else (1, 1)
        return f"of {least:,} rows each" if least == most else f"of {least:,} to {most:,} rows"


def columns_of(source: Source) -> tuple[Column, ...]:
    """Return what every column of a source holds.

    >>> table = pa.table({"ill": [0, 1, 0], "age": [40, 51, 63], "dose": [0.5, None, 2.0], "ward": ["a", "b", "a"]})
    >>> [(column.name, column.kind, column.distinct) for column in columns_of(Source("wards", table))]
    [('ill', 'zero or one', 2), ('age', 'whole numbers', 3), ('dose', 'numbers', 2), ('ward', 'names', 2)]
    """
    return tuple(_column(source, name) for name in source.table.column_names)


def _column(source: Source, name: str) -> Column:
    cells = source.table.column(name)
    if name == source.image_column:
        return Column(name=name, kind="pictures", distinct=len(cells), empty=int(cells.null_count))
    if pa.types.is_nested(cells.type):
        kind: Kind = "lists" if shape_of(source, name) is None else "vectors"
        return Column(name=name, kind=kind, distinct=len(cells) - cells.null_count, empty=int(cells.null_count))
    if _is_text(cells.type):
        return _of_text(source, name)
    return _of_values(source, name)


def _of_values(source: Source, name: str) -> Column:
    """Describe a column of numbers, truth values or dates."""
    cells = source.table.column(name)
    filled = cells.filter(pc.invert(pc.is_null(cells, nan_is_null=True)))
    # A column of nothing at all has no type, and its values cannot be counted.
    distinct = int(pc.count_distinct(filled).as_py()) if len(filled) else 0
    kind = "names" if name in source.class_names else _kind_of_values(filled, distinct)
    counts = _counts(source, name, filled) if kind != "numbers" and distinct <= _MOST_COUNTED else {}
    return Column(
        name=name, kind=_few(kind, distinct), distinct=distinct, empty=len(cells) - len(filled), counts=counts
    )


def _kind_of_values(filled: pa.ChunkedArray, distinct: int) -> Kind:
    if pa.types.is_temporal(filled.type):
        return "dates"
    if not is_numeric(filled.type):
        return "lists"
    if pa.types.is_boolean(filled.type):
        return "zero or one"
    numbers = pc.cast(filled, pa.float64(), safe=False)
    if distinct == 2 and set(pc.unique(numbers).to_pylist()) == {0.0, 1.0}:
        return "zero or one"
    whole = pc.all(pc.equal(numbers, pc.round(numbers))).as_py()
    return "whole numbers" if whole and pc.all(pc.is_finite(numbers)).as_py() else "numbers"


def _of_text(source: Source, name: str) -> Column:
    """Describe a column of text, whatever bytes it holds."""
    raw = source.table.column(name).cast(pa.large_binary()).to_pylist()
    texts = [None if cell is None else cell.decode(errors="replace").strip() or None for cell in raw]
    found = Counter(text for text in texts if text is not None)
    length = sum(map(len, found)) / max(1, len(found))
    kind = _kind_of_text(found, length)
    counts = dict(found.most_common()) if len(found) <= _MOST_COUNTED else {}
    words, unclear = _among_numbers(source, name) if kind == "names" else ((), "")
    return Column(
        name=name,
        kind=_few(kind, len(found)),
        distinct=len(found),
        empty=len(texts) - found.total(),
        counts=counts,
        length=length,
        words=words,
        unclear=unclear,
    )


def _kind_of_text(found: Counter[str], length: float) -> Kind:
    sample = list(found)[:_SAMPLE]
    if sample and all(map(_DATE.fullmatch, sample)):
        return "dates"
    has_words = sum(" " in text for text in sample) > len(sample) / 2
    repeats = len(found) < found.total() / 2
    return "texts" if has_words and length > _LONG and not repeats and len(found) > 1 else "names"


def _among_numbers(source: Source, name: str) -> tuple[tuple[str, ...], str]:
    """Return words among numbers, and a number that may be meant in two ways."""
    cells = source.table.column(name)
    try:
        found, doubtful = words_in(cells, source.form), ambiguous_cell(cells, source.form)
        return () if found is None or first_code(cells) else found.words, doubtful[0] if doubtful else ""
    except pa.ArrowInvalid:  # bytes that are no text
        return (), ""


def _few(kind: Kind, distinct: int) -> Kind:
    return "nothing" if not distinct else "one value" if distinct == 1 else kind


def _counts(source: Source, name: str, filled: pa.ChunkedArray) -> Mapping[str, int]:
    """Count the rows of each value, by its name as a study would have it."""
    found = pc.value_counts(filled.combine_chunks())
    values = Source(source.name, pa.table({name: found.field("values")}), source.class_names)
    pairs = zip(values.texts(name, "data.source"), found.field("counts").to_pylist(), strict=True)
    return dict(sorted(((text, count) for text, count in pairs if text is not None), key=lambda one: -one[1]))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
