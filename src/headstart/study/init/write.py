"""A draft as TOML: always valid, whatever names hold, with its reasons as comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from headstart.core.errors import DataError
from headstart.core.visible import visible
from headstart.study.init.draft import Draft, Line, Value

_WIDTH = 110
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(draft: Draft) -> str:
    r"""Return the text of a study file.

    Raises:
        DataError: a name cannot be written as text.

    >>> print(written(Draft(("Study of x.",), {"": (Line("name", "x"),), "data": (Line("label", 'a"b', "a guess"),)})))
    # Study of x.
    name = "x"
    <BLANKLINE>
    [data]
    label = "a\"b"    # a guess
    <BLANKLINE>
    """
    head = [line for text in draft.head for line in _comment(text)]
    tables = [list(_table(name, lines)) for name, lines in draft.tables.items() if lines]
    first, *rest = tables or [[]]
    return "\n\n".join("\n".join(block) for block in ([*head, *first], *rest)) + "\n"


def toml(value: Value | object) -> str:
    r"""Return a value as TOML writes it, on one line.

    Text is a basic string (TOML 1.0.0); beside what must be, signs that a terminal obeys are escaped, so that a file
    looks like what it says.

    Raises:
        DataError: it is text with half of a surrogate, which no file of text can hold.

    >>> toml(["a\n", True, 0.5]), toml({"a b": 1})
    ('["a\\n", true, 0.5]', '{ "a b" = 1 }')
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(str(key))} = {toml(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(toml, value))}]"
    return repr(value)


def _text(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(sign if visible(sign) == sign else _escaped(sign) for sign in quoted)


def _escaped(sign: str) -> str:
    code = ord(sign)
    if 0xD800 <= code < 0xE000:
        raise DataError(
            "study file: names must be text, received one with half of a surrogate pair (a file name of another "
            "encoding?); rename it"
        )
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _table(name: str, lines: Sequence[Line]) -> Iterator[str]:
    """Yield a table; one without a line that holds is a comment as a whole."""
    is_on = any(line.is_on for line in lines)
    if name:
        yield f"{'' if is_on else '# '}[{name}]"
    width = max((len(line.key) for line in lines if line.is_on), default=0)
    for line in lines:
        yield from _line(line, width if line.is_on else 0)


def _line(line: Line, width: int) -> Iterator[str]:
    """Yield a setting with its reason: behind it where that fits, else above."""
    mark, start = ("" if line.is_on else "# "), f"{_key(line.key):<{width}} = "
    body = f"{mark}{start}{toml(line.value)}"
    why = visible(line.why)
    if len(body) > _WIDTH and isinstance(line.value, Sequence) and not isinstance(line.value, str):
        yield from _comment(why)
        yield from (f"{mark}{one}" for one in _folded(start, line.value))
    elif why and len(body) + len(why) + 6 > _WIDTH:
        yield from _comment(why)
        yield body
    else:
        yield f"{body}    # {why}" if why else body


def _folded(start: str, values: Sequence[object]) -> Iterator[str]:
    """Yield a long list on lines of its own."""
    yield f"{start}["
    row = ""
    for value in values:
        part = f"{toml(value)}, "
        if row and len(row) + len(part) > _WIDTH - 6:
            yield f"    {row.rstrip()}"
            row = ""
        row += part
    yield f"    {row.rstrip()}"
    yield "]"


def _comment(text: str) -> Iterator[str]:
    """Yield text as lines of comment."""
    for line in textwrap.wrap(visible(text), _WIDTH - 2, break_on_hyphens=False):
        yield f"# {line}"
