"""What a first study file says of the data: which column plays which part, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.core.words import listed
from headstart.data.labels import FEW_CLASSES
from headstart.study.init.backbones import Backbone
from headstart.study.init.draft import Line
from headstart.study.init.look import Found
from headstart.study.init.parts import Parts, input_columns
from headstart.study.init.roles import is_surely_label

_MANY_ROWS = 5000
_ROWS_EACH = 40
"""Rows that each value of a column should have, for it to be offered as clients."""
_MOST_CODES = 8
"""Values of a column of whole numbers that may be codes."""
_SEVERAL = 3
"""Columns of zero or one that may be labels together."""
_NAMED = 6


def data_lines(found: Found, parts: Parts, source: str, backbone: Backbone, held_out: float) -> tuple[Line, ...]:
    """Return the lines of ``[data]``.

    Args:
        found: in the data.
        parts: that columns play.
        source: how the file names the data.
        backbone: that reads them.
        held_out: share of the clients.
    """
    return (
        *_data(found, parts, source),
        *_table(found, parts),
        *_inputs(found, parts, backbone),
        *_more(found, held_out),
    )


def _data(found: Found, parts: Parts, source: str) -> Iterator[Line]:
    yield Line("source", source)
    yield Line("label", parts.label, _why_label(found, parts))
    yield from _other_labels(found, parts)
    if parts.task in ("regression", "survival"):
        yield Line("task", parts.task, _why_task(found, parts))
    if parts.event:
        yield Line("event", parts.event, "1 where the event was seen, 0 where a row was only followed until then")
    if parts.text:
        yield Line("text", parts.text, f"texts of {found.by_name[parts.text].length:,.0f} letters on average")
    if parts.id:
        yield Line("id", parts.id, "names each row, so that the order of rows changes nothing")
    yield from _client(found, parts)


def _other_labels(found: Found, parts: Parts) -> Iterator[Line]:
    """Yield what else could be foretold: measurements in place of one, several of zero or one together."""
    if parts.task == "regression":
        measured = [name for name in parts.other_labels if found.by_name[name].kind == "numbers"]
        yield from (Line("label", name, "may be foretold too", is_on=False) for name in measured[:2])
    several = [name for name in (parts.label, *parts.other_labels) if found.by_name[name].kind == "zero or one"]
    if parts.task == "classification" and len(several) >= _SEVERAL and not is_surely_label(parts.label):
        yield Line(
            "labels",
            tuple(several),
            "in place of label, if each of them is one; with the line that follows",
            is_on=False,
        )
        yield Line("task", "multilabel", "with a metric of such a task, such as auroc", is_on=False)


def _why_label(found: Found, parts: Parts) -> str:
    column = found.by_name[parts.label]
    names = listed([f"'{name}'" for name in parts.other_labels], 3)
    others = f"; else {names}" if names else ""
    if parts.task == "classification":
        return f"{column.distinct} classes: {column.in_words}{others}"
    return "times; else name a column of classes" if parts.event else f"{column.distinct:,} different numbers{others}"


def _why_task(found: Found, parts: Parts) -> str:
    if parts.task == "survival":
        return f"'{parts.label}' and '{parts.event}' are called as a time and its event are"
    return f"'{parts.label}' is measured: {found.by_name[parts.label].kind}"


def _client(found: Found, parts: Parts) -> Iterator[Line]:
    if parts.client:
        number = found.by_name[parts.client].distinct
        yield Line("client", parts.client, f"whose a row is: {number} of them, {found.by_name[parts.client].in_words}")
        for name in parts.other_clients[:2]:
            yield Line("client", name, f"{found.by_name[name].distinct} of them", is_on=False)
        return
    for name in _maybe_clients(found, parts)[:2]:
        why = f"in place of [data.partition]: {found.by_name[name].distinct} of them, {found.by_name[name].in_words}"
        yield Line("client", name, why, is_on=False)


def _maybe_clients(found: Found, parts: Parts) -> list[str]:
    """Return columns that nothing names as clients, and that could be."""
    if parts.inputs == "table":
        return list(parts.other_clients)
    names = [one for one in found.columns if one.kind == "names" and one.name not in (parts.label, *found.splits)]
    return [one.name for one in names if 1 < one.distinct <= found.rows / _ROWS_EACH]


def _table(found: Found, parts: Parts) -> Iterator[Line]:
    """Yield what is said of a table's columns."""
    if parts.inputs != "table":
        return
    columns = input_columns(found, parts)
    if parts.left_out:
        left = [f"'{name}' ({why})" for name, why in parts.left_out.items()]
        yield Line("columns", columns, f"without {listed(left, _NAMED)}")
    if parts.one_hot:
        few = [f"'{name}' {found.by_name[name].distinct}" for name in parts.one_hot]
        yield Line("one_hot", parts.one_hot, f"names, with so many values: {listed(few, _NAMED)}")
    codes = [name for name in columns if _may_be_codes(found, name)]
    if codes:
        why = "whole numbers of few values: if they are codes rather than amounts, they belong here"
        yield Line("one_hot", (*parts.one_hot, *codes), why, is_on=False)
    dates = tuple(column.name for column in found.columns if column.kind == "dates" and column.name not in parts.taken)
    if dates:
        yield Line(
            "dates",
            dates,
            "dates are inputs only if asked for, as days; or they order the rows, as data.split.time",
            is_on=False,
        )
    unclear = next((found.by_name[name] for name in columns if found.by_name[name].unclear), None)
    if unclear:
        why = f"'{unclear.name}' holds '{unclear.unclear}': ',' is a decimal comma, with '.' it groups thousands"
        yield Line("decimal", ",", why, is_on=False)
    if found.missing_words:
        yield Line("missing_words", found.missing_words, "mean an empty cell in a column of numbers")


def _may_be_codes(found: Found, name: str) -> bool:
    column = found.by_name[name]
    return column.kind == "whole numbers" and 3 <= column.distinct <= _MOST_CODES


def _inputs(found: Found, parts: Parts, backbone: Backbone) -> Iterator[Line]:
    if backbone.image_size:
        yield Line("image_size", backbone.image_size, backbone.why_size)
    yield from _missing(found, parts)


def _missing(found: Found, parts: Parts) -> Iterator[Line]:
    """Yield what becomes of empty cells: rows go where a label or the like is empty, else columns are filled."""
    empty = (
        [name for name in input_columns(found, parts) if found.by_name[name].empty] if parts.inputs == "table" else []
    )
    holes = [
        name for name in (parts.label, parts.event, parts.client, parts.group, parts.text) if _has_holes(found, name)
    ]
    label = found.by_name[parts.label]
    if empty and holes == [parts.label] and label.kind in ("names", "zero or one") and label.distinct <= FEW_CLASSES:
        yield Line("where", {parts.label: tuple(label.counts)}, f"without rows that have no label: {label.empty:,}")
        holes = []
    if holes:
        where = ", ".join(f"'{name}' {found.by_name[name].empty:,}" for name in holes if name)
        yield Line("missing", "drop", f"rows with an empty cell are left out, for there are in {where}")
    elif empty:
        cells = sum(found.by_name[name].empty for name in empty)
        yield Line("missing", "mean", f"{cells:,} empty cells in {listed(empty, 3)} get their column's mean")


def _has_holes(found: Found, name: str | None) -> bool:
    return name is not None and found.by_name[name].empty > 0


def _more(found: Found, held_out: float) -> Iterator[Line]:
    if held_out:
        yield Line("held_out_clients", held_out, "clients that only receive the result: how it serves new ones")
    if found.rows > _MANY_ROWS:
        yield Line("max_examples", 2000, "for a first look that is quick", is_on=False)
