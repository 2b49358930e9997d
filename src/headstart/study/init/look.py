"""What is found in data: columns, pictures, identifiers, official splits, who may hold what."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from headstart.core.errors import DataError
from headstart.data.doubts import says_group
from headstart.data.identifiers import identifiers
from headstart.data.official_split import official_splits
from headstart.data.pictures import open_picture
from headstart.data.read import encoded_image
from headstart.data.reading import Reading
from headstart.data.sources import Source, TableFormat, open_source
from headstart.study.init.columns import Column, columns_of

_LOOKED_AT = 500
"""Pictures of which size and mode are read; of more, as many spread over all rows."""

_EMPTY_WORDS = frozenset(
    {"na", "n/a", "nan", "null", "none", "?", "-", "--", ".", "#n/a", "<na>", "missing", "unknown"}
)
"""Words that mean an empty cell among numbers, in lower case."""

_SETTING = re.compile(r"data\.(encoding|delimiter|decimal)")
_AS_IT_IS = "; 'headstart init' takes a file as it is: write that setting into a study file, or save the data anew"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What pictures are, as far as they were looked at.

    Attributes:
        count: of all.
        looked_at: of which size and mode were read.
        broken: of these, how many cannot be read.
        sides: shorter side of each, pixels, ascending.
        sizes: width and height, with the number of pictures.
        modes: of Pillow, with the number of pictures.
    """

    count: int
    looked_at: int
    broken: int
    sides: tuple[int, ...]
    sizes: Mapping[tuple[int, int], int]
    modes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Everything that was found in a source.

    Attributes:
        source: as it was opened.
        columns: in order.
        identifiers: columns of numbers that name rows, each with the reason.
        splits: columns that say which rows are for testing.
        missing_words: words that mean an empty cell in columns of numbers.
        pictures: None where the source has none.
    """

    source: Source
    columns: tuple[Column, ...]
    identifiers: Mapping[str, str]
    splits: tuple[str, ...]
    missing_words: tuple[str, ...]
    pictures: Pictures | None

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.source)

    def by_holder(self, holder: str, label: str) -> Mapping[str, Counter[str]]:
        """Count the rows of each value of one column by the value of another; rows that lack either count for none."""
        found: dict[str, Counter[str]] = {}
        texts = (self.source.texts(name, "data.source") for name in (holder, label))
        for own, told in zip(*texts, strict=True):
            if own is not None and told is not None:
                found.setdefault(own, Counter())[told] += 1
        return found

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Columns whose names say that they tell which rows belong together, and of which values repeat."""
        named = (column for column in self.columns if says_group(column.name))
        return tuple(column.name for column in named if 1 < column.distinct < self.rows - column.empty)


def look(data: str, base: Path) -> Found:
    """Open data and look at them.

    Args:
        data: an embedded name, ``hub:NAME``, or a path.
        base: where relative paths start.

    Raises:
        DataError: nothing is there, it cannot be read, or it has no rows.
    """
    source = _opened(data, base, TableFormat())
    columns = columns_of(source)
    words = sorted({word for column in columns if _are_empty(column.words) for word in column.words})
    if words:
        source = _opened(data, base, TableFormat(missing_words=tuple(words)))
        columns = columns_of(source)
    splits = tuple(official_splits(source, Reading(setting="data", label=None)))
    return Found(
        source=source,
        columns=columns,
        identifiers=identifiers(source.table),
        splits=splits,
        missing_words=tuple(words),
        pictures=_pictures(source),
    )


def _opened(data: str, base: Path, form: TableFormat) -> Source:
    try:
        return open_source(data, base, "DATA", form)
    except DataError as error:
        # There is no study file yet whose setting could be at fault, or help.
        words = str(error).replace("data.source: ", "DATA: ", 1)
        raise DataError(words + (_AS_IT_IS if _SETTING.search(words) else "")) from error


def _are_empty(words: tuple[str, ...]) -> bool:
    return bool(words) and all(word.lower() in _EMPTY_WORDS for word in words)


def _pictures(source: Source) -> Pictures | None:
    if source.pixels is not None:
        height, width = source.pixels.shape[2:]
        mode = {1: "L", 3: "RGB"}[source.pixels.shape[1]]
        count = len(source)
        return Pictures(
            count=count,
            looked_at=count,
            broken=0,
            sides=(min(height, width),),
            sizes={(width, height): count},
            modes={mode: count},
        )
    return None if source.image_column is None else _encoded_pictures(source, source.image_column)


def _encoded_pictures(source: Source, column: str) -> Pictures:
    """Read the headers of pictures."""
    rows = np.unique(np.linspace(0, len(source) - 1, min(_LOOKED_AT, len(source))).astype(np.int64))
    some = replace(source, pixels=None).take(rows)
    headers = [_header(value, source.folder or Path()) for value in some.table.column(column).to_pylist()]
    read = [header for header in headers if header is not None]
    sizes = Counter(size for size, _ in read)
    return Pictures(
        count=len(source),
        looked_at=len(rows),
        broken=len(headers) - len(read),
        sides=tuple(sorted(min(size) for size, _ in read)),
        sizes=dict(sizes.most_common()),
        modes=dict(Counter(mode for _, mode in read).most_common()),
    )


def _header(value: object, folder: Path) -> tuple[tuple[int, int], str] | None:
    """Return width and height, and mode; None of a picture that cannot be read."""
    encoded = encoded_image(value, folder)
    if encoded is None:
        return None
    try:
        with open_picture(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
            return image.size, image.mode
    except Exception:  # a broken file can make a decoder raise anything
        return None
