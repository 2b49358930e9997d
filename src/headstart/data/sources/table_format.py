"""How a table's cells are written: what a file does not say of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TableFormat:
    """How cells are written; as in ``DataSettings``, None finds it out.

    Attributes:
        delimiter: what stands between cells of a CSV or TSV file.
        decimal: the decimal sign; where it is given, the other sign groups thousands.
        encoding: of a CSV or TSV file.
        missing_words: words that mean an empty cell in a column of numbers.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing_words: tuple[str, ...] = ()
