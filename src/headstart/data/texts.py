"""A column of texts to rows of UTF-8, stored once; what is no text is refused or left out, and named by its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.ragged import Ragged
from headstart.data import rows
from headstart.data.account import Findings
from headstart.data.reading import Reading
from headstart.data.sources import Source

TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def with_text(source: Source, reading: Reading) -> tuple[Array, Findings]:
    """Return the rows that have a text, and what is to say of those left out.

    Raises:
        DataError: a text is empty and ``data.missing`` does not say to drop it.
    """
    empty = np.flatnonzero([not text or text.isspace() for text in _values(source, reading)])
    if len(empty) and reading.missing != "drop":
        raise DataError(
            f"data.missing: {len(empty)} texts of '{source.name}' are empty, first in row "
            f"{source.row_numbers[empty[0]]}; fill them, or leave them out with data.missing = 'drop'"
        )
    _, found = rows.leave_out(source, empty, f"'{reading.text}' is empty")
    return np.setdiff1d(np.arange(len(source)), empty), found


def read_texts(source: Source, reading: Reading) -> Ragged:
    """Return the texts as rows of bytes."""
    return Ragged.of_texts(text or "" for text in _values(source, reading))


def _values(source: Source, reading: Reading) -> list[str | None]:
    """Return a column's texts; None where there is none.

    Raises:
        DataError: the column holds no texts, or bytes that are no UTF-8.
    """
    setting, name = f"{reading.setting}.text", str(reading.text)
    column = source.column(name, setting)
    if not any(is_text(column.type) for is_text in TEXT):
        raise DataError(
            f"{setting}: must be a column of texts, received '{name}' of '{source.name}', which holds {column.type}; "
            "name the column of texts"
        )
    binary = column.cast(pa.large_binary()).to_pylist()
    return [_decoded(value, row, source, setting) for value, row in zip(binary, source.row_numbers, strict=True)]


def _decoded(value: Any, row: int, source: Source, setting: str) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{setting}: must be UTF-8, received byte 0x{error.object[error.start]:02x} at position {error.start} in "
            f"row {row} of '{source.name}'; convert the file, for example with iconv -t utf-8"
        ) from None
