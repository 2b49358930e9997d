"""Messages and settings as JSON, and back: what does not fit its class is refused in one line that names the field."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from headstart.core.errors import ClientError, HeadstartError
from headstart.sites.limits import MOST_TEXT, said

T = TypeVar("T")


def write(message: object) -> str:
    """Return a message as JSON.

    >>> from headstart.sites.said import Refusal
    >>> write(Refusal("no such file", client="a"))
    '{"error":"no such file","client":"a"}'
    """
    return _adapter(cast("Hashable", type(message))).dump_json(message).decode()


def read(kind: type[T], text: str, what: str, error: type[HeadstartError] = ClientError) -> T:
    """Read a message, or settings, of one kind.

    Args:
        kind: its class.
        text: JSON.
        what: how an error calls it.
        error: to raise.

    Raises:
        ClientError: it is longer than a message may be, or a field is unknown, missing, out of its bounds or of
            another type; the message names it.

    >>> from headstart.sites.said import Refusal
    >>> read(Refusal, '{"error": 3}', "its answer")
    Traceback (most recent call last):
    headstart.core.errors.ClientError: its answer: field 'error' must be a valid string, received 3
    """
    if len(text) > MOST_TEXT:
        raise error(f"{what}: it must have at most {MOST_TEXT:,} characters, received {len(text):,}; nothing was read")
    try:
        return cast("T", _adapter(cast("Hashable", kind)).validate_json(text))
    except ValidationError as found:
        raise error(f"{what}: {_problem(found)}") from None
    except UnicodeEncodeError:
        raise error(f"{what}: it is no text") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what writes and reads a class; making it takes longer than using it."""
    return TypeAdapter(kind)


_MANY = 10_000
"""Broken rules beyond which none is told by its name: listing them would take what the sender wants to waste."""


def _problem(found: ValidationError) -> str:
    """Name the first field that breaks a rule; an unknown one goes first, which may be a missing one misspelt."""
    if found.error_count() > _MANY:
        return f"it breaks {found.error_count():,} rules"
    errors = found.errors(include_url=False, include_context=False)
    first = min(errors, key=lambda item: item["type"] != "unexpected_keyword_argument")
    field = f"field '{said('.'.join(map(str, first['loc'])), 200)}'" if first["loc"] else "it"
    if first["type"] == "missing":
        return f"{field} is missing; run one version of Headstart on both sides"
    if first["type"] == "unexpected_keyword_argument":
        return f"{field} is unknown; run one version of Headstart on both sides"
    rule = first["msg"].removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")
    return said(f"{field} {rule[:1].lower()}{rule[1:]}, received {reprlib.repr(first['input'])}")
