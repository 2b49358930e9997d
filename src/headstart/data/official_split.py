"""Whether a source says itself which rows are for testing, and the study does not listen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from headstart.data.reading import Reading
from headstart.data.sources import Source
from headstart.data.split_names import SPLIT_NAMES, UNUSED

_SAMPLE = 100
_USUAL = "split"


def official_splits(source: Source, reading: Reading) -> Mapping[str, str]:
    """Return the columns that say which rows are test rows and that the study does not use, each with a note."""
    if reading.split is not None:
        return {}
    unused = [name for name in source.table.column_names if name not in reading.where]
    return {name: _note(source.name, name, counts) for name in unused if (counts := _counts(source, name))}


def _note(source: str, column: str, counts: str) -> str:
    return (
        f"'{source}' has an official split that the study does not use: column '{column}' says {counts}; test on its "
        f"test rows with data.split.column = '{column}', or keep some rows with data.where"
    )


def _counts(source: Source, name: str) -> str:
    """Say how often a column says train, test and the like; nothing where it is no such column."""
    column = source.table.column(name)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return ""
    if name != _USUAL and not _all_splits(_words(column[:_SAMPLE])):
        return ""
    words = _words(column)
    tested = sum(count for word, count in words.items() if SPLIT_NAMES.get(word) == "test")
    if not 0 < tested < len(column) or not (name == _USUAL or _all_splits(words)):
        return ""
    return ", ".join(f"{word} {count}" for word, count in words.items())


def _words(column: pa.ChunkedArray) -> Counter[str]:
    texts = column.cast(pa.large_binary()).to_pylist()  # whatever bytes a text holds
    return Counter(text.decode(errors="replace").strip().lower() for text in texts if text is not None)


def _all_splits(words: Counter[str]) -> bool:
    return words.keys() <= {*SPLIT_NAMES, *UNUSED}
