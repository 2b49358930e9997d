"""How a table's columns become inputs: what is learnt of them from rows outside test, and the inputs made by that.

It is what scikit-learn's ``OneHotEncoder(drop="first", handle_unknown="infrequent_if_exist", min_frequency=…)`` and
``SimpleImputer(add_indicator=True)`` learn, kept as names, which sites can agree upon where no row may leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.account import Converted, Dropped, Encoded, Findings, Used
from headstart.data.examples import Examples
from headstart.data.features import MISSING, categories_in, column_of, made_of
from headstart.data.settings import DataSettings
from headstart.data.sources import Source

RARE = "<rare>"
"""What categories of too few rows are called together."""

_MOST = 100
_EMPTY = "no value outside test"


@dataclass(frozen=True)
class Encoding:
    """What a table's inputs are made of.

    Attributes:
        columns: of numbers, as they are or as the numbers ``x[0]``, ``x[1]``, … of a vector; and of categories.
        categories: of each column of categories its names, in order; the first has no input of its own.
        missing: source columns with an input that says where they are empty.

    >>> Encoding(("age", "sex"), {"sex": ("f", "m")}, ("age",)).names
    ('age', 'sex=m', 'age is missing')
    """

    columns: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs.

        Raises:
            DataError: a column has too many categories.
        """
        encoded = [name for column in self.columns for name in self._names_of(column)]
        return (*encoded, *map(missing_name, self.missing))

    def _names_of(self, column: str) -> Sequence[str]:
        return one_hot_names(column, self.categories[column]) if column in self.categories else [column]


def missing_name(column: str) -> str:
    """Return the name of the input that says where a column is empty."""
    return f"{column}{MISSING}"


def one_hot_names(column: str, categories: Collection[str]) -> list[str]:
    """Return the inputs that a column of categories becomes: one for each but the first.

    Raises:
        DataError: there are more than 100.

    >>> one_hot_names("town", ["b", "<rare>", "a"])
    ['town=b', 'town=<rare>']
    """
    if len(categories) > _MOST:
        raise DataError(
            f"data.one_hot: '{column}' has {len(categories):,} categories, at most {_MOST} are allowed; join those "
            "of few rows with data.min_frequency, or leave the column out"
        )
    return [f"{column}={category}" for category in in_order(categories)[1:]]


def in_order(categories: Collection[str]) -> tuple[str, ...]:
    """Sort categories by name; the rare ones together come last."""
    return tuple(sorted(categories, key=lambda name: (name == RARE, name)))


def common(source: Source, column: str, fewest: int) -> set[str]:
    """Return the names of a column's categories of enough rows."""
    return {name for name, count in categories_in(source, column).items() if count >= fewest}


def _joined(source: Source, column: str, fewest: int) -> tuple[str, ...]:
    """Return the names of categories of enough rows, in order, and of the rare ones, if there are any."""
    names = common(source, column, fewest)
    return in_order(names | ({RARE} if common(source, column, 1) - names else set()))


def often_empty(examples: Examples, source: Source, rows: Array, fewest: int = 1) -> tuple[str, ...]:
    """Return the source columns that are empty in so many of some rows; of a vector one number is enough."""
    holes, columns = np.isnan(examples.inputs[rows]), dict.fromkeys(source.table.column_names)
    made: dict[str, list[int]] = {}
    for place, name in enumerate(examples.columns):
        made.setdefault(column_of(name, columns), []).append(place)
    return tuple(name for name, places in made.items() if holes[:, places].any(1).sum() >= fewest)


def fit(examples: Examples, source: Source, outside: Array, settings: DataSettings) -> Encoding:
    """Learn from rows outside test how all are to be encoded.

    Args:
        examples: as they were read; images and texts have nothing to learn.
        source: the same rows as they stood in the file.
        outside: indices of rows outside test, ascending.
        settings: which columns hold categories, and how missing values are filled.
    """
    if examples.kind != "table":
        return Encoding()
    known, holes = source.take(outside), np.isnan(examples.inputs[outside])
    names = [column for column in examples.columns if column in settings.one_hot]
    found = {column: _joined(known, column, settings.min_frequency) for column in names}
    empty = settings.fills & holes.all(0) & bool(len(outside))
    kept = tuple(
        name
        for name, is_empty in zip(examples.columns, empty, strict=True)
        if not is_empty and (name not in found or len(found[name]) > 1)
    )
    missing = often_empty(examples, source, outside) if settings.missing == "indicator" else ()
    return Encoding(
        kept,
        {column: names for column, names in found.items() if column in kept},
        tuple(name for name in missing if made_of(name, kept)),
    )


def encoded(examples: Examples, source: Source, encoding: Encoding) -> Examples:
    """Make the inputs of a table; nothing changes where no column is encoded.

    Args:
        examples: as they were read, ``columns`` of numbers and a place for each column of categories.
        source: the same rows as they stood in the file.
        encoding: what was learnt of them, or of others.

    Raises:
        DataError: a column has too many categories, two inputs would share a name, or none is left.
    """
    names = encoding.names
    if examples.kind != "table" or names == examples.columns:
        return examples
    _check_names(names, source)
    place = {name: position for position, name in enumerate(examples.columns)}
    parts = [
        _indicators(source, column, encoding)
        if column in encoding.categories
        else examples.inputs[:, place[column], None]
        for column in encoding.columns
    ]
    parts += [_is_missing(examples, source, column) for column in encoding.missing]
    return replace(examples, inputs=np.concatenate(parts, axis=1, dtype=np.float64), columns=names)


def _check_names(names: Sequence[str], source: Source) -> None:
    if not names:
        raise DataError(
            f"data.columns: no column of '{source.name}' is left to learn from, as none has two values outside test; "
            "name other input columns"
        )
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f"data.columns: two inputs would be called '{name}'; rename the column of that name")


def _indicators(source: Source, column: str, encoding: Encoding) -> Array:
    """Return zeros and ones, ``(rows, categories - 1)``; NaN where the cell is empty and no input says so."""
    _, *others = in_order(encoding.categories[column])
    place = {name: position for position, name in enumerate(others)}
    known, nothing = {*encoding.categories[column]}, len(others)
    texts = source.texts(column, "data.one_hot")
    of = np.array([nothing if text is None else place.get(text if text in known else RARE, -1) for text in texts])
    values = np.zeros((len(source), nothing), np.float32)
    values[of < nothing] = of[of < nothing, None] == np.arange(nothing)
    values[of == nothing] = 0 if column in encoding.missing else np.nan
    return values


def _is_missing(examples: Examples, source: Source, column: str) -> Array:
    of = [column_of(name, source.table.column_names) == column for name in examples.columns]
    return np.asarray(np.isnan(examples.inputs[:, of]).any(1, keepdims=True))


def told(examples: Examples, source: Source, encoding: Encoding, settings: DataSettings) -> Findings:
    """Say which columns a table's inputs are made of, which are encoded and how, and which became none.

    Args:
        examples: as they were read.
        source: the table.
        encoding: what was learnt of them.
        settings: which columns hold categories and dates.
    """
    if examples.kind != "table":
        return ()
    columns = dict.fromkeys(source.table.column_names)
    counts = Counter(column_of(name, columns) for name in encoding.columns)
    words = {name: _in_words(name, count, encoding, settings.dates) for name, count in counts.items()}
    gone = [name for name in dict.fromkeys(column_of(one, columns) for one in examples.columns) if name not in counts]
    return (
        *(Used(name, "input") for name in counts),
        *(Encoded(name, how) for name, how in words.items() if how),
        *(Dropped(name, "it has one category only" if name in settings.one_hot else _EMPTY) for name in gone),
    )


def _in_words(name: str, count: int, encoding: Encoding, dates: Collection[str]) -> str:
    """Say how a column is encoded; empty where it is a number as it stands."""
    names = encoding.categories.get(name)
    if names is not None:
        rare = ", the last for all rarer ones" if RARE in names else ""
        how = f"a column for each of its {len(names)} categories but the first{rare}"
    elif name in dates:
        how = "days since 2000-01-01"
    else:
        how = "" if name in encoding.columns else f"a column for each of its {count} numbers"
    says = "a column that says where it is missing" if name in encoding.missing else ""
    return f"{how or 'its number'}, and {says}" if says else how


def unknown_categories(source: Source, encoding: Encoding) -> Findings:
    """Say which rows have a category that was not learnt, and what became of it; rare ones are known to be."""
    found = []
    for column, names in encoding.categories.items():
        others = {name: count for name, count in categories_in(source, column).items() if name not in names}
        if others and RARE not in names:
            listed = ", ".join(f"'{name}'" for name in sorted(others)[:5]) + (", …" if len(others) > 5 else "")
            what = f"cells of '{column}' in categories that no seen client has outside test ({listed})"
            found.append(Converted(what, f"as '{names[0]}', the first of the clients'", sum(others.values())))
    return tuple(found)


def check_categories(source: Source, encoding: Encoding) -> None:
    """Check that a table's categories are among those agreed upon; any other would look like the first of them.

    Raises:
        DataError: some rows have another; the message names the column, not the category.
    """
    for column, known in encoding.categories.items():
        rows = sum(count for name, count in categories_in(source, column).items() if name not in known)
        if rows and RARE not in known:
            raise DataError(
                f"data.one_hot: '{column}' of '{source.name}' has {rows} rows in categories too rare to be named, or "
                "that were not agreed upon; join rare categories, as data.min_frequency does, or leave the column out"
            )
