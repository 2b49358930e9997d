"""``headstart init``: looks at data, says what it found, and writes a first study file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.table import Table

from headstart.cli.answer import labelled
from headstart.cli.progress import Bar
from headstart.cli.replies import InitReply
from headstart.cli.saying import say
from headstart.cli.terminal import Terminal, shown
from headstart.core.errors import SettingError, nearest
from headstart.core.files import write_text
from headstart.core.visible import visible
from headstart.core.words import listed
from headstart.study.init import roles
from headstart.study.init.backbones import backbone_for, no_start
from headstart.study.init.check import Checked, checked
from headstart.study.init.guess import guess
from headstart.study.init.guess_clients import whose
from headstart.study.init.look import Found, Pictures, look
from headstart.study.init.parts import Parts, input_columns, parts_of
from headstart.study.init.where import pool_beside, source_name
from headstart.study.init.write import written

if TYPE_CHECKING:
    from headstart.study.init.columns import Column

_MOST_COLUMNS, _MOST_NOTES, _MOST_OFFERED = 24, 5, 6
_NONE = "none"
"""What a user says for no column."""


def write_first_study(
    data: str,
    out: Path,
    *,
    label: str | None = None,
    client: str | None = None,
    asks: bool = True,
    force: bool = False,
) -> bool:
    """Write a study file for data, and say what was found.

    Args:
        data: an embedded name, ``hub:NAME``, or a path.
        out: the study file.
        label: the column of labels; None takes the likeliest.
        client: the column that says whose a row is; None takes the likeliest, ``none`` takes none.
        asks: whether questions may be asked, in a terminal.
        force: whether a file may be written over.

    Returns:
        Whether the file can be run as it is.

    Raises:
        SettingError: the file exists already, or its folder does not.
        DataError: there is nothing that a study could be made of.
    """
    _check_out(out, force=force)
    from headstart.cli.jobs import console

    folder = out.absolute().parent
    found = look(data, Path())
    _show_found(console, found)
    parts = parts_of(found, label, "" if client == _NONE else client)
    if asks and sys.stdin.isatty() and console.is_terminal:
        parts = _asked(console, found, parts, label, client)
    _show_columns(console, found, parts)
    command = f"headstart init {quote(data)}"
    beside = pool_beside(data, folder)
    draft = guess(found, parts, source_name(data, folder), command, beside)
    with Bar(console) as bar:
        bar.tell("opening the data as a study would")
        done = checked(draft, folder, bar)
    write_text(out, written(done.draft))
    say(lambda: InitReply(str(out), not done.question, done.question, done.mended))
    _show_written(console, done, out, "" if beside else no_start(backbone_for(found, parts), parts))
    return not done.question


def _check_out(out: Path, *, force: bool) -> None:
    if out.is_dir():
        raise SettingError(f"--out: must be a file, received the folder '{out}'; give the name of a file in it")
    if out.exists() and not force:
        raise SettingError(
            f"--out: must be a new file, received '{out}', which exists; give another with --out, or add --force"
        )
    if not out.absolute().parent.is_dir():
        raise SettingError(f"--out: must lie in a folder that exists, received '{out}'; make the folder first")


def _asked(console: Terminal, found: Found, parts: Parts, label: str | None, client: str | None) -> Parts:
    """Ask what the data do not show: the label where several could be, and whose a row is."""
    said = "" if client == _NONE else client
    if label is None and parts.other_labels and not roles.is_surely_label(parts.label):
        label = _choice(
            console, "Which column is to be foretold?", (parts.label, *parts.other_labels), parts.label, found
        )
        parts = parts_of(found, label, said)
    if client is None and (parts.other_clients or parts.client is None):
        offered = tuple(name for name in (parts.client, *parts.other_clients, *_may_hold(found, parts)) if name)
        if offered:
            default = parts.client or _NONE
            answer = _choice(console, "Which column says whose a row is?", (*offered, _NONE), default, found)
            parts = parts_of(found, label, "" if answer == _NONE else answer)
    return parts


def _may_hold(found: Found, parts: Parts) -> Iterator[str]:
    """Yield columns of names that nothing else says of."""
    for column in found.columns:
        if column.kind == "names" and 1 < column.distinct <= found.rows / 10 and column.name not in parts.taken:
            yield column.name


def _choice(console: Terminal, question: str, offered: Sequence[str], default: str, found: Found) -> str:
    """Ask for a column until the answer is one."""
    names = tuple(dict.fromkeys(offered))
    console.print(f"[bold]{question}[/] {shown(listed(names, _MOST_OFFERED))}", soft_wrap=False, highlight=False)
    valid = (*found.source.table.column_names, *((_NONE,) if _NONE in names else ()))
    while True:
        answer = str(typer.prompt("column", default=visible(default)))
        if answer == visible(default):
            return default
        if answer in valid:
            return answer
        console.print(f"no column '{shown(answer)}'; {shown(nearest(answer, names))}", soft_wrap=False, highlight=False)


def _show_found(console: Terminal, found: Found) -> None:
    """Print what the data are."""
    lines = [("found", f"{found.source.name}: {found.rows:,} rows, {len(found.columns)} columns")]
    if found.pictures:
        lines.append(("pictures", _pictures(found.pictures)))
    lines += [("note", note) for note in found.source.notes[:_MOST_NOTES]]
    if found.missing_words:
        lines.append(("note", f"taken for an empty cell among numbers: {', '.join(found.missing_words)}"))
    _print_lines(console, lines)


def _pictures(pictures: Pictures) -> str:
    """Say sizes and modes.

    >>> _pictures(Pictures(count=3, looked_at=3, broken=0, sides=(8,), sizes={(8, 9): 3}, modes={"L": 3}))
    '3, 8 x 9, L'
    """
    sizes = list(pictures.sizes)
    small, large = (min(sizes), max(sizes)) if sizes else ((0, 0), (0, 0))
    size = f"{small[0]} x {small[1]}" + ("" if small == large else f" to {large[0]} x {large[1]}")
    some = "" if pictures.looked_at == pictures.count else f" (of {pictures.looked_at} looked at)"
    broken = f", {pictures.broken} cannot be read" if pictures.broken else ""
    return f"{pictures.count:,}, {size}, {' and '.join(pictures.modes)}{some}{broken}"


def _show_columns(console: Terminal, found: Found, parts: Parts) -> None:
    """Print every column: what it holds, how many values, what it is taken for."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("column", overflow="fold", max_width=24)
    table.add_column("holds", no_wrap=True)
    for name in ("values", "empty"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("taken as", overflow="fold")
    inputs = input_columns(found, parts) if parts.inputs == "table" else ()
    for column in _worth_showing(found, parts):
        table.add_row(*map(shown, _row(found, parts, column, inputs)))
    console.print(table, soft_wrap=False)
    if len(found.columns) > _MOST_COLUMNS:
        console.print(f"and {len(found.columns) - _MOST_COLUMNS} columns more", style="dim", highlight=False)
    _print_lines(console, [("label", _label(found, parts)), ("clients", _clients(found, parts))])


def _worth_showing(found: Found, parts: Parts) -> Sequence[Column]:
    """Return the columns in order; of very many those that play a part, and the first of the others."""
    known = {*parts.taken, parts.text, found.source.image_column, *parts.left_out, *found.splits}
    others = [column.name for column in found.columns if column.name not in known]
    room = max(0, _MOST_COLUMNS - (len(found.columns) - len(others)))
    kept = known | set(others[:room])
    return [column for column in found.columns if column.name in kept][:_MOST_COLUMNS]


def _row(found: Found, parts: Parts, column: Column, inputs: Sequence[str]) -> tuple[str, ...]:
    kind = "identifier" if column.name in found.identifiers else column.kind
    distinct = "" if column.kind == "pictures" else f"{column.distinct:,}"
    return column.name, kind, distinct, f"{column.empty:,}" if column.empty else "", _part(found, parts, column, inputs)


def _part(found: Found, parts: Parts, column: Column, inputs: Sequence[str]) -> str:
    """Say what a column is taken for."""
    name = column.name
    played = {
        parts.label: "label",
        parts.event: "event",
        parts.client: "client",
        parts.group: "group: rows that belong together",
        parts.split: "official split",
        parts.id: "id",
        found.source.id_column: "id",
        parts.text: "input",
        found.source.image_column: "input",
    }
    if name in played:
        return played[name]
    if name in parts.left_out:
        return f"left out: {parts.left_out[name]}"
    if name in inputs:
        return "input, a column a value" if name in parts.one_hot else "input"
    if name in found.splits:
        return "official split, not used"
    return "not used" if parts.inputs == "table" else f"not used beside {'texts' if parts.text else 'pictures'}"


def _label(found: Found, parts: Parts) -> str:
    column = found.by_name[parts.label]
    if parts.task == "classification":
        classes = f"{column.distinct} {'class' if column.distinct == 1 else 'classes'}"
        lacking = f"; {column.empty:,} {'row has' if column.empty == 1 else 'rows have'} none" if column.empty else ""
        return f"{parts.label}: {classes}, {column.in_words}{lacking}"
    return f"{parts.label}: {column.distinct:,} different numbers ({parts.task})"


def _clients(found: Found, parts: Parts) -> str:
    if parts.client is None:
        return f"{whose(found)}: some are made up, for trying out"
    column = found.by_name[parts.client]
    return f"{parts.client}: {column.distinct} of them, {column.in_words}"


def _show_written(console: Terminal, done: Checked, out: Path, careful: str) -> None:
    """Print what opening it showed, where it was written, what it cannot answer, and what to do next."""
    lines = [("mended", words) for words in done.mended]
    notes = done.federation.notes if done.federation else ()
    lines += [("note", note) for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        lines.append(("note", f"and {len(notes) - _MOST_NOTES} more, which headstart plan shows"))
    file = quote(str(out))
    lines.append(("wrote", f"{out}; each line that was a guess says why"))
    if careful:
        lines.append(("careful", careful))
    if done.question:
        lines += [
            ("open", done.question),
            ("next", f"settle that in {out} or in the data, then: headstart plan {file}"),
        ]
    else:
        lines += [("next", f"headstart plan {file}"), ("then", f"headstart study {file}")]
    console.print()
    _print_lines(console, lines)


def _print_lines(console: Terminal, lines: Sequence[tuple[str, str]]) -> None:
    for line in labelled(lines, console.width):
        console.print(line, highlight=False)
