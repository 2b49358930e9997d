"""Which column plays which part, as far as data show it: the label, who holds a row, what belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from headstart.core.errors import DataError
from headstart.core.task import TaskKind
from headstart.core.words import listed
from headstart.data.doubts import codes_of, telling_columns
from headstart.data.labels import FEW_CLASSES, check_classes
from headstart.study.init import roles
from headstart.study.init.candidates import (
    group_of,
    id_of,
    possible_clients,
    possible_labels,
    split_of,
    text_of,
    time_and_event,
)
from headstart.study.init.columns import Column
from headstart.study.init.look import Found

_MOST_CATEGORIES = 20


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


def parts_of(found: Found, label: str | None = None, client: str | None = None) -> Parts:
    """Return the parts that columns play.

    Args:
        found: in the data.
        label: the column that somebody named; None takes the likeliest.
        client: likewise; "" takes none.

    Raises:
        DataError: no column can be the label, one that was named is not there, or there is nothing to learn from.
    """
    for option, name in (("--label", label), ("--client", client)):
        if name:
            found.source.column(name, option)
    if client and client == label:
        raise DataError(
            f"--client: must be another column than --label, received '{client}' for both; each client would have one "
            "class"
        )
    parts = _with_holders(found, _foretold(found, label), client)
    text = None if found.pictures else text_of(found, parts.taken)
    parts = replace(parts, text=text, inputs="image" if found.pictures else "text" if text else "table")
    parts = replace(parts, id=id_of(found, parts.taken | {text}))
    return _with_columns(found, parts) if parts.inputs == "table" else parts


def input_columns(found: Found, parts: Parts) -> tuple[str, ...]:
    """Return the columns that a table's inputs are made of."""
    taken = {*parts.taken, *found.splits, *found.identifiers, *parts.left_out}
    free = [column for column in found.columns if column.name not in taken]
    kept = [one for one in free if one.is_number or one.unclear or one.kind == "vectors" or one.name in parts.one_hot]
    return tuple(one.name for one in kept)


def _foretold(found: Found, label: str | None) -> Parts:
    """Return what is foretold, and how."""
    labels = possible_labels(found)
    pair = time_and_event(found)
    if pair and (label == pair[0] or not (label or any(map(roles.is_surely_label, labels)))):
        others = tuple(name for name in labels if name not in pair)
        return Parts(inputs="table", label=pair[0], task="survival", event=pair[1], other_labels=others)
    if not (label or labels):
        raise _no_label(found)
    chosen = label or labels[0]
    others = tuple(name for name in labels if name != chosen)
    return Parts(inputs="table", label=chosen, task=_task(found, chosen), other_labels=others)


def _with_holders(found: Found, parts: Parts, client: str | None) -> Parts:
    """Say whose a row is, which rows belong together, and which are for testing."""
    clients = possible_clients(found, parts.label)
    holder = next(iter(clients), None) if client is None else client or None
    others = tuple(name for name in clients if name != holder)
    held = replace(parts, client=holder, other_clients=others, split=split_of(found))
    return replace(held, group=group_of(found, held.taken))


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


def _with_columns(found: Found, parts: Parts) -> Parts:
    """Say which columns are categories, and which had better be no inputs."""
    left_out = dict(_left_out(found, parts))
    known = {*parts.taken, *found.splits, *left_out}
    free = [column for column in found.columns if column.name not in known]
    names = [one for one in free if one.kind == "names" and not one.unclear]
    few = [one.name for one in names if one.distinct <= _MOST_CATEGORIES]
    changed = replace(parts, left_out=left_out, one_hot=tuple(few))
    if not input_columns(found, changed):
        why = {**{one.name: one.kind for one in found.columns}, **found.identifiers, **left_out}
        left = [f"'{name}' ({words})" for name, words in why.items() if name != parts.label] or ["nothing else"]
        raise DataError(
            f"DATA: must have something to learn '{parts.label}' from, such as columns of numbers, of few categories "
            f"or of texts, or pictures, received '{found.source.name}' with {listed(left, 8)}; add such columns"
        )
    return changed


def _left_out(found: Found, parts: Parts) -> Iterator[tuple[str, str]]:
    known = {*parts.taken, *found.splits, *found.identifiers}
    free = [one for one in found.columns if one.name not in known]
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
    if name in parts.other_clients or roles.place_rank(name) is not None:
        return "it says where a row is from"
    if roles.person_rank(name) is not None:
        return "it names persons, of too few rows each to be clients"
    return ""


def _telling(found: Found, parts: Parts, names: list[str]) -> frozenset[str]:
    if parts.task != "classification":
        return frozenset()
    texts = found.source.texts(parts.label, "data.label")
    return frozenset(telling_columns(found.source, names, codes_of(texts)))
