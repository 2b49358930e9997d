"""Which column plays which part, as far as data show it: the label, who holds a row, what belongs together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import numpy as np

from headstart.core.errors import DataError
from headstart.core.task import TaskKind
from headstart.core.words import listed
from headstart.data.doubts import telling_columns
from headstart.data.labels import FEW_CLASSES, check_classes
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
_MOST_CATEGORIES = 20
_FEW_NUMBERS = 2
"""Columns of numbers that may stand beside texts for the texts to be the inputs."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts that columns play.

    Attributes:
        inputs: what examples are.
        label: what is foretold.
        task: how.
        event: whether the event was seen by the label's time; None but of survival.
        text: the column of texts; None where the inputs are none.
        client: says whose a row is; None where nothing does.
        group: says which rows belong together.
        split: says which rows are for testing.
        id: names each row.
        one_hot: input columns of categories.
        left_out: columns that could be inputs and had better not be, each with the reason.
        other_labels: what could be the label too, the likeliest first.
        other_clients: likewise.
    """

    inputs: Literal["image", "text", "table"]
    label: str
    task: TaskKind
    event: str | None = None
    text: str | None = None
    client: str | None = None
    group: str | None = None
    split: str | None = None
    id: str | None = None
    one_hot: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    other_labels: tuple[str, ...] = ()
    other_clients: tuple[str, ...] = ()

    @property
    def taken(self) -> frozenset[str | None]:
        """Columns that are no inputs of a table, for they play another part."""
        return frozenset({self.label, self.event, self.client, self.group, self.split, self.id})


def possible_labels(found: Found) -> tuple[str, ...]:
    """Return the columns that may be the label, the likeliest first.

    By name; else columns of few values, the last first; else measurements; else who holds a row.
    """
    columns = [column for column in found.columns if _may_be_label(found, column)]
    ranked = [(rank, column.name) for column in columns if (rank := roles.label_rank(column.name)) is not None]
    named = [name for _, name in sorted(ranked, key=lambda one: one[0])]
    holders = [column.name for column in columns if _is_holder(found, column.name)]
    others = [column for column in reversed(columns) if column.name not in (*named, *holders)]
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


def parts_of(found: Found, label: str | None = None, client: str | None = None) -> Parts:
    """Return the parts that columns play.

    Args:
        found: in the data.
        label: the column that somebody named; None takes the likeliest.
        client: likewise; "" takes none.

    Raises:
        DataError: no column can be the label, or one that was named is not there.
    """
    for option, name in (("--label", label), ("--client", client)):
        if name:
            found.source.column(name, option)
    labels = possible_labels(found)
    pair = None if label or any(map(roles.is_surely_label, labels)) else _survival(found)
    if pair is None and not (label or labels):
        raise _no_label(found)
    chosen = label or (pair[0] if pair else labels[0])
    event = pair[1] if pair else None
    task: TaskKind = "survival" if pair else _task(found, chosen)
    clients = possible_clients(found, chosen)
    holder = (client or None) if client is not None else next(iter(clients), None)
    group = _group(found, {chosen, event, holder})
    text = _text(found, {chosen, holder, group})
    inputs: Literal["image", "text", "table"] = "image" if found.pictures else "text" if text else "table"
    parts = Parts(
        inputs=inputs,
        label=chosen,
        task=task,
        event=event,
        text=text if inputs == "text" else None,
        client=holder,
        group=group,
        split=_split(found),
        id=_id(found, {chosen, holder, group, text}),
        other_labels=tuple(name for name in labels if name not in (chosen, event)),
        other_clients=tuple(name for name in clients if name != holder),
    )
    return _with_columns(found, parts) if inputs == "table" else parts


def input_columns(found: Found, parts: Parts) -> tuple[str, ...]:
    """Return the columns that a table's inputs are made of."""
    taken = {*parts.taken, *found.splits, *found.identifiers, *parts.left_out}
    free = [column for column in found.columns if column.name not in taken]
    return tuple(one.name for one in free if one.is_number or one.kind == "vectors" or one.name in parts.one_hot)


def _may_be_label(found: Found, column: Column) -> bool:
    source = found.source
    if column.name in (*found.identifiers, *found.splits, source.client_column, source.id_column):
        return False
    if column.kind == "one value":
        return roles.is_surely_label(column.name)
    is_name = column.kind == "names" and column.distinct <= (found.rows - column.empty) / 2
    return column.is_number or is_name


def _is_holder(found: Found, name: str) -> bool:
    return roles.place_rank(name) is not None or roles.person_rank(name) is not None or name in found.groups


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


def _survival(found: Found) -> tuple[str, str] | None:
    pair = roles.time_and_event([column.name for column in found.columns if column.is_number])
    if pair is None:
        return None
    time, event = (found.by_name[name] for name in pair)
    return pair if event.kind == "zero or one" and time.distinct > FEW_CLASSES else None


def _task(found: Found, label: str) -> TaskKind:
    column = found.by_name[label]
    if not column.is_number:
        return "classification"
    many = column.distinct > FEW_CLASSES and not roles.is_surely_label(label)
    try:
        check_classes(found.source, label, "data.label")
    except DataError:
        return "regression"
    return "regression" if many else "classification"


def _no_label(found: Found) -> DataError:
    names = [f"'{column.name}' ({found.identifiers.get(column.name, column.kind)})" for column in found.columns]
    return DataError(
        f"DATA: must have a column of labels, which are what a model learns to tell, received "
        f"'{found.source.name}' with {listed(names, 8)}; add one, or name one with --label"
    )


def _group(found: Found, taken: set[str | None]) -> str | None:
    """Return the coarsest column of those that say which rows belong together."""
    columns = [found.by_name[name] for name in found.groups if name not in taken]
    whole = [column for column in columns if not column.empty and column.name not in found.splits]
    return min(whole, key=lambda column: column.distinct).name if whole else None


def _text(found: Found, taken: set[str | None]) -> str | None:
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


def _split(found: Found) -> str | None:
    """Return the official split that uses nearly all rows."""
    for name in found.splits:
        column = found.by_name[name]
        unused = sum(count for word, count in column.counts.items() if word.strip().lower() in UNUSED) + column.empty
        if unused <= _UNUSED_SHARE * found.rows:
            return name
    return None


def _id(found: Found, taken: set[str | None]) -> str | None:
    names = [column for column in found.columns if roles.is_row_name(column.name) and column.name not in taken]
    whole = [one for one in names if one.distinct == found.rows and one.name != found.source.image_column]
    return next((one.name for one in whole if one.kind != "numbers"), None)


def _with_columns(found: Found, parts: Parts) -> Parts:
    """Say which columns are categories, and which had better be no inputs."""
    left_out = dict(_left_out(found, parts))
    free = [column for column in found.columns if column.name not in (*parts.taken, *found.splits, *left_out)]
    few = [one.name for one in free if one.kind == "names" and one.distinct <= _MOST_CATEGORIES]
    changed = Parts(**{**vars(parts), "left_out": left_out, "one_hot": tuple(few)})
    if not input_columns(found, changed):
        left = [f"'{one.name}' ({found.identifiers.get(one.name, one.kind)})" for one in found.columns]
        raise DataError(
            f"DATA: must have something to learn '{parts.label}' from, such as columns of numbers, of few categories "
            f"or of texts, or pictures, received '{found.source.name}' with {listed(left, 8)}; add such columns"
        )
    return changed


def _left_out(found: Found, parts: Parts) -> Iterator[tuple[str, str]]:
    free = [one for one in found.columns if one.name not in (*parts.taken, *found.splits, *found.identifiers)]
    telling = _telling(found, parts, [one.name for one in free if one.is_number or one.kind == "names"])
    for column in free:
        why = _why_left_out(parts, column, is_telling=column.name in telling)
        if why:
            yield column.name, why


def _why_left_out(parts: Parts, column: Column, *, is_telling: bool) -> str:
    name = column.name
    if is_telling:
        return f"it alone tells '{parts.label}'"
    if column.words and column.kind == "names":
        return f"numbers with words, such as '{column.words[0]}'"
    if roles.are_alike(name, parts.label):
        return f"as '{parts.label}', it may be what is to be foretold"
    if name in parts.other_clients or roles.place_rank(name) is not None or roles.person_rank(name) is not None:
        return "it says whose a row is"
    return ""


def _telling(found: Found, parts: Parts, names: list[str]) -> frozenset[str]:
    if parts.task != "classification":
        return frozenset()
    texts = found.source.texts(parts.label, "data.label")
    _, labels = np.unique([str(text) for text in texts], return_inverse=True)
    return frozenset(telling_columns(found.source, names, labels))
