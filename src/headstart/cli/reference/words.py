"""Types, defaults and docstrings in the words of whoever writes a study file."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def type_words(kind: Any) -> str:
    """Say a type as a writer of a study file would.

    >>> type_words(Literal["a", "b"] | None)
    '`"a"` or `"b"`'
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _with_bounds(type_words(arguments[0]), arguments[1:])
    if origin is Literal:
        return " or ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(type_words(member) for member in arguments if member is not NoneType)
    if origin is tuple:
        return f"list of {type_words(arguments[0])}"
    words = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
    return words.get(kind, "table")


def default_words(default: Any) -> str:
    """Say a default as a study file would.

    >>> default_words(True), default_words(None), default_words(0.05)
    ('`true`', 'none', '`0.05`')
    """
    if default is dataclasses.MISSING:
        return "required"
    if default is None or isinstance(default, Mapping) or dataclasses.is_dataclass(default):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{list(default)}`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default:g}`"


def attributes(cls: type) -> dict[str, str]:
    """Read the section "Attributes:" of a class's docstring."""
    section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:")[2].partition("\n\n")[0]
    items = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "`") for name, text in items}


def sentence(text: str) -> str:
    """Begin with a capital letter, and write code as Markdown does."""
    text = re.sub(r"(Other a|A)ttributes as :class:.*", "", " ".join(text.split())).strip().replace("``", "`")
    return text[:1].upper() + text[1:]


def _with_bounds(words: str, constraints: tuple[Any, ...]) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    flat = [item for found in constraints for item in (getattr(found, "metadata", None) or [found])]
    bounds = [
        f"{sign} {getattr(item, name):g}"
        for item in flat
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
    return f"{words} {', '.join(bounds)}" if bounds else words
