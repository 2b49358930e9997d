"""JSON: an object a line, a list of objects, or LEAF's files, which hold their rows by user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.core.errors import DataError
from headstart.core.limits import check_memory
from headstart.data.sources.delimited import decoded_utf8, read_bytes

LEAF_CLIENT = "user"
_Row = Mapping[str, Any]
_TIMES, _CELL = 16, 16
"""Memory for JSON as Python holds it, in sizes of the file; and for a cell of the table, in bytes."""


def read_json(path: Path) -> tuple[pa.Table, bool]:
    """Read a JSON file, with one object a line or as a whole.

    Returns:
        The table, and whether the file is LEAF's: its column ``user`` says whose a row is, ``y`` is called ``label``.

    Raises:
        DataError: it is not JSON, or JSON of another layout.
    """
    name, text = path.name, decoded_utf8(read_bytes(path, _TIMES), path.name)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise _not_json(name, error.lineno, error.msg) from None
        content = list(_by_line(text, name))
    except (ValueError, RecursionError) as error:  # a number of very many digits, or lists in lists
        raise _not_json(name, 1, _why(error)) from None
    if isinstance(content, Mapping) and isinstance(content.get("user_data"), Mapping):
        return _table(list(_leaf_rows(content["user_data"], name)), name), True
    if isinstance(content, Mapping) and ".jsonl" in name:
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, Mapping) for row in content):
        raise DataError(
            f"data.source: '{name}' is JSON, but neither objects, one a row, nor LEAF's users and user_data; write one "
            "object a line (pandas: to_json(…, orient='records', lines=True))"
        )
    return _table(content, name), False


def _by_line(text: str, name: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise _not_json(name, number, error.msg) from None
            except (ValueError, RecursionError) as error:
                raise _not_json(name, number, _why(error)) from None


def _why(error: Exception) -> str:
    return "too deep" if isinstance(error, RecursionError) else str(error).partition(";")[0]


def _not_json(name: str, line: int, reason: str) -> DataError:
    return DataError(f"data.source: cannot read '{name}' as JSON (line {line}: {reason}); mend that line")


def _leaf_rows(users: Mapping[str, Any], name: str) -> Iterator[_Row]:
    """Yield LEAF's rows: each user has lists ``x`` and ``y`` of one length."""
    for user, data in users.items():
        lists = {key: value for key, value in dict(data).items() if isinstance(value, list)}
        lengths = {key: len(value) for key, value in lists.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"data.source: user '{user}' of '{name}' has lists of differing lengths, {lengths}; mend them"
            )
        for row in zip(*lists.values(), strict=True):
            yield {LEAF_CLIENT: user} | {
                "label" if key == "y" else key: value for key, value in zip(lists, row, strict=True)
            }


def _table(rows: list[_Row], name: str) -> pa.Table:
    names = dict.fromkeys(key for row in rows for key in row)
    cells = len(rows) * len(names)
    check_memory("data.source", f"the table '{name}'", _CELL * cells, "give its rows the same few columns")
    return pa.table({key: _column([row.get(key) for row in rows], key, name) for key in names})


def _column(values: list[Any], key: str, name: str) -> pa.Array:
    """Make a column; one of numbers and words is text, as it would be in a CSV file."""
    try:
        return pa.array(values)
    except UnicodeEncodeError:
        raise DataError(
            f"data.source: column '{key}' of '{name}' holds half of a surrogate pair, which is no text; mend it"
        ) from None
    except (pa.ArrowException, OverflowError):
        nested = next((row for row, value in enumerate(values) if isinstance(value, list | dict)), None)
    if nested is not None:
        raise DataError(
            f"data.source: column '{key}' of '{name}' holds a list or an object in row {nested} and something else "
            "in another row; give every row the same kind of value"
        )
    try:
        return pa.array([_word(value) for value in values], pa.string())
    except UnicodeEncodeError:
        return _column([value for value in values if isinstance(value, str)], key, name)


def _word(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)
