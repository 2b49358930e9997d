"""Every message with which Headstart stops, read off its own source; what varies stands in braces."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import headstart
from headstart.core import damage, errors

_SHORTEST = 12
"""Letters: what has fewer says nothing without what is put into it."""


def messages_of(kind: str) -> list[str]:
    """Return the messages of one kind of error, each once, in order.

    >>> [text for text in messages_of("MissingExtra") if text.startswith("'")]
    ["'{missing}' is not installed; it comes with the extra '{extra}': {how_to_install}"]
    """
    found = {text for name, text in _all_raised() if name == kind}
    return sorted(text for text in found if sum(letter.isalpha() for letter in _bare(text)) >= _SHORTEST)


def kinds() -> list[tuple[str, str]]:
    """Return every kind of error with what it means, the root left out."""
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.HeadstartError)]
    leaves = [one for one in (*found, damage.Damaged) if one is not errors.HeadstartError]
    return [(one.__name__, (one.__doc__ or "").split("\n")[0]) for one in leaves]


@cache
def _all_raised() -> list[tuple[str, str]]:
    """Return the kind and the message of every error that the source raises."""
    root = Path(headstart.__file__).parent
    return [one for path in root.rglob("*.py") for one in _raised(ast.parse(path.read_text("utf-8")))]


def _raised(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=kind), args=[*_, text])):
                yield kind, _text(text)


def _text(value: ast.expr) -> str:
    """Return a literal's text; of what is put into it the name stands in braces."""
    match value:
        case ast.Constant(value=str(text)):
            return " ".join(text.split())
        case ast.JoinedStr(values=parts):
            return " ".join("".join(map(_part, parts)).split())
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
        case _:
            return _part(value)


def _part(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=value):
            return str(value)
        case ast.FormattedValue(value=value) | ast.Call(func=value) | ast.Subscript(value=value):
            return _part(value)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return f"{{{name.strip('_')}}}"
        case _:
            return "{…}"


def _bare(text: str) -> str:
    """Return a message without what varies."""
    return re.sub(r"{.*?}", "", text)
