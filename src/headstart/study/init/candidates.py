"""Which columns may play a part, the likeliest first: by name, then by what their cells hold."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from headstart.data.labels import FEW_CLASSES
from headstart.data.split_names import UNUSED
from headstart.study.init import roles
from headstart.study.init.columns import Column
from headstart.study.init.look import Found

_ENOUGH = 10
"""Rows that a client should have."""
_OWN = 20
"""Rows of one person, by the median, from which persons can be clients."""
_UNUSED_SHARE = 0.1
"""Of rows that an official split may leave out and still be taken."""
_FEW_NUMBERS = 2
"""Columns of numbers that may stand beside texts for the texts to be the inputs."""


def possible_labels(found: Found) -> tuple[str, ...]:
    """Return the columns that may be the label, the likeliest first.

    By name; else columns of few values, the last first; else measurements; else who holds a row.
    """
    columns = [column for column in found.columns if _may_be_label(found, column)]
    ranked = [(rank, column.name) for column in columns if (rank := roles.label_rank(column.name)) is not None]
    named = [name for _, name in sorted(ranked, key=lambda one: one[0])]
    holders = [column.name for column in columns if _is_holder(found, column.name)]
    known = {*named, *holders}
    others = [column for column in reversed(columns) if column.name not in known]
    free = [column for column in others if not roles.is_described(column.name)]
    few = [column.name for column in free if column.kind != "numbers" and column.distinct <= FEW_CLASSES]
    if named or few:
        return (*named, *few)
    measured = [column.name for column in free if column.is_number]
    return tuple(measured or holders or [column.name for column in others])


def possible_clients(found: Found, label: str) -> tuple[str, ...]:
    """Return the columns that may say whose a row is, the likeliest first.

    Args:
        found: in the data.
        label: no client.
    """
    told = found.source.client_column
    columns = [column for column in found.columns if column.name not in (label, told) and _holds_enough(column)]
    places = _ranked(columns, roles.place_rank)
    persons = [one for one in _ranked(columns, roles.person_rank) if median(one.sizes) >= _OWN]
    names = [column.name for column in _named_first(places)] + [column.name for column in persons]
    return (told, *names) if told is not None and told != label else tuple(names)


def time_and_event(found: Found) -> tuple[str, str] | None:
    """Return the columns of a time and of whether the event was seen by then; None where there are none."""
    pair = roles.time_and_event([column.name for column in found.columns if column.is_number])
    if pair is None:
        return None
    time, event = (found.by_name[name] for name in pair)
    return pair if event.kind == "zero or one" and time.distinct > FEW_CLASSES else None


def group_of(found: Found, taken: frozenset[str | None]) -> str | None:
    """Return the coarsest column of those that say which rows belong together; None where there is none."""
    columns = [found.by_name[name] for name in found.groups if name not in taken]
    whole = [column for column in columns if not column.empty and column.name not in found.splits]
    return min(whole, key=lambda column: column.distinct).name if whole else None


def text_of(found: Found, taken: frozenset[str | None]) -> str | None:
    """Return the column of texts, where the texts are what examples are."""
    columns = [column for column in found.columns if column.kind == "texts" and column.name not in taken]
    if not columns:
        return None
    best = min(columns, key=lambda column: (roles.text_rank(column.name), -column.length))
    numbers = [
        one for one in found.columns if one.is_number and one.name not in taken and one.name not in found.identifiers
    ]
    is_named = roles.text_rank(best.name) < roles.text_rank("")
    return best.name if is_named or len(numbers) <= _FEW_NUMBERS else None


def split_of(found: Found) -> str | None:
    """Return the official split that uses nearly all rows; None where there is none."""
    for name in found.splits:
        column = found.by_name[name]
        unused = sum(count for word, count in column.counts.items() if word.strip().lower() in UNUSED) + column.empty
        if unused <= _UNUSED_SHARE * found.rows:
            return name
    return None


def id_of(found: Found, taken: frozenset[str | None]) -> str | None:
    """Return the column that names each row; None where there is none, or the source has names of its own."""
    if found.source.id_column is not None:
        return None
    names = [column for column in found.columns if roles.is_row_name(column.name) and column.name not in taken]
    whole = [one for one in names if one.distinct == found.rows and one.name != found.source.image_column]
    return next((one.name for one in whole if one.kind != "numbers"), None)


def _may_be_label(found: Found, column: Column) -> bool:
    source = found.source
    if column.name in found.identifiers or column.name in (*found.splits, source.client_column, source.id_column):
        return False
    if column.kind == "one value":
        return roles.is_surely_label(column.name)
    is_name = column.kind == "names" and not column.unclear and column.distinct <= (found.rows - column.empty) / 2
    return column.is_number or is_name


def _is_holder(found: Found, name: str) -> bool:
    return roles.is_holder(name) or name in found.groups


def _holds_enough(column: Column) -> bool:
    """Say whether at least two values have rows enough to be clients, and most rows are theirs."""
    large = [size for size in column.sizes if size >= _ENOUGH]
    return len(large) >= 2 and sum(large) >= sum(column.sizes) / 2


def _ranked(columns: list[Column], rank: Callable[[str], int | None]) -> list[Column]:
    ranks = [(place, column) for column in columns if (place := rank(column.name)) is not None]
    return [column for _, column in sorted(ranks, key=lambda one: one[0])]


def _named_first(columns: list[Column]) -> list[Column]:
    """Of columns that say the same, such as a number and a name of a place, put the one of names first."""
    return sorted(columns, key=lambda one: (_first_alike(one, columns), one.kind != "names"))


def _first_alike(column: Column, columns: list[Column]) -> int:
    return next(place for place, one in enumerate(columns) if one.sizes == column.sizes)
