"""One way to check settings: constraints in annotations, one validator, one line per broken rule.

A table of settings is a frozen dataclass; a setting's type says what it may be, ``Annotated[float, Field(ge=0, lt=1)]``
or ``Literal["mean", "cls"]``, and :class:`Says` puts a rule into better words. Values are plain, as TOML gives them.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from headstart.core.errors import SettingError, nearest

T = TypeVar("T")

_NEAR = 0.8
"""Likeness of two names from which one is the other misspelt."""

_Location = tuple[str | int, ...]
"""Keys and positions that lead to a value."""


@dataclass(frozen=True)
class Says:
    """A rule in words, beside the constraint that it explains.

    Attributes:
        rule: such as ``must be above 0``.
        way_out: what to do; ``{}`` stands for the value received.
        of_type: it explains the type, not the bounds.
    """

    rule: str
    way_out: str = ""
    of_type: bool = False


_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

# pydantic's kind of error: the rule in the study file's words, and a way out.
_KINDS = {
    "missing": ("is required", "add it to the study file"),
    "finite_number": ("must be a finite number", "give another"),
    "int_type": ("must be a whole number", "write digits alone, without quotes"),
    "int_from_float": ("must be a whole number", "it is a count, not a share: write digits alone"),
    "float_type": ("must be a number", "write it without quotes"),
    "string_type": ("must be text", "put it in quotes"),
    "bool_type": ("must be true or false", "write true or false without quotes"),
    "tuple_type": ("must be a list", "put it in square brackets"),
    "list_type": ("must be a list", "put it in square brackets"),
    "dict_type": ("must be a table", "write { … } or a [section] of its own"),
    "dataclass_type": ("must be a table", "write { … } or a [section] of its own"),
}


@dataclass(frozen=True)
class _Problem:
    """One broken rule; a value that may be of several types breaks one for each."""

    path: str
    rule: str
    received: str
    way_out: str


def read(kind: type[T], value: object, path: str = "") -> T:
    """Check a plain value against a type, and return it as that type.

    Args:
        kind: a dataclass of settings, or any annotated type; an unknown key is an error everywhere.
        value: as TOML would give it; JSON's strict rules hold: a list may fill a tuple, but text is no number.
        path: where the value stands, such as ``arms.fedavg.federate``.

    Raises:
        SettingError: a rule is broken; one line per setting, each with path, rule, value received and way out.

    >>> read(int, 3, "rounds")
    3
    >>> read(int, "3", "rounds")
    Traceback (most recent call last):
    headstart.core.errors.SettingError: rounds: must be a whole number, received '3'; write digits alone, without quotes
    """
    text = json.dumps([value], default=_plain)
    try:
        return cast("T", _adapter(cast("Hashable", kind)).validate_json(text)[0])
    except ValidationError as error:
        raise SettingError("\n".join(_explain(error.errors(), kind, json.loads(text)[0], path))) from None


def problems(kind: Any, value: object, path: str, default: object = MISSING) -> list[str]:
    """Return a line per rule that a value breaks; none if it may stand."""
    try:
        read(kind, value, path)
    except SettingError as error:
        way_out = _default_words(default)
        return [line + way_out for line in str(error).splitlines()]
    return []


def check(settings: object, path: str) -> None:
    """Check the fields of a dataclass of settings that was made in Python; tables inside it have checked themselves.

    Raises:
        SettingError: a rule is broken; one line per setting.
    """
    table = cast("Hashable", type(settings))
    values = {name: getattr(settings, name) for name in _fields(table)}
    lines = [
        line
        for name, (kind, default) in _fields(table).items()
        if not dataclasses.is_dataclass(values[name])
        for line in problems(kind, values[name], f"{path}.{name}", default)
    ]
    if lines:
        raise SettingError("\n".join(lines))


def unknown(path: str, value: object, valid: Iterable[str], what: str = "setting") -> str:
    """Say that a key or a name is not known, and which is nearest.

    >>> unknown("training.batchsize", 8, ["batch_size"])
    "training.batchsize: unknown setting, received 8; did you mean 'batch_size'? (valid: batch_size)"
    """
    return f"{path}: unknown {what}, received {value!r}; {nearest(path.rpartition('.')[2], valid)}"


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    # A list takes a configuration where a dataclass would not; what is inside inherits it.
    return TypeAdapter(list[kind], config=_CONFIG)  # type: ignore[valid-type]


def _plain(value: object) -> object:
    """Say a Python value as TOML would: arrays and ranges are lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, Iterable) else str(value)


def _explain(errors: Sequence[ErrorDetails], root: Any, data: object, prefix: str) -> Iterator[str]:
    """Turn pydantic's errors into one line per setting."""
    lines: dict[str, _Problem] = {}
    for item in errors:
        found = _problem(item, root, data, prefix)
        known = lines.get(found.path)
        if known is None:
            lines[found.path] = found
        elif found.rule not in known.rule:
            lines[found.path] = dataclasses.replace(known, rule=f"{known.rule} or {found.rule}")
    for one in lines.values():
        yield f"{one.path}: {one.rule}, {one.received}; {one.way_out}"


def _join(prefix: str, location: _Location) -> str:
    """Write a path as the study file's reader would.

    >>> _join("arms.a", ("federate", 1, "rounds"))
    'arms.a.federate[1].rounds'
    """
    path = prefix
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}" if path else part
    return path


def _problem(item: ErrorDetails, root: Any, data: object, prefix: str) -> _Problem:
    kind, location = item["type"], _real_location(item["loc"][1:], data)
    path = _join(prefix, location)
    if kind == "unexpected_keyword_argument":
        valid = {name for member in _tables(_inside(root, location[:-1])) for name in _fields(member)}
        name = str(location[-1])
        is_near = bool(difflib.get_close_matches(name, valid, cutoff=_NEAR))
        way_out = (not is_near and _one_table_down(root, location)) or nearest(name, valid)
        return _Problem(path, "unknown setting", _received(item), way_out)
    if kind == "int_type" and isinstance(item["input"], float):
        kind = "int_from_float"
    rule, way_out = _KINDS.get(kind, (_rule(item["msg"]), ""))
    for says in _said(_inside(root, location)):
        if says.of_type == (kind in _KINDS):
            rule, way_out = says.rule, says.way_out.format(item["input"])
    way_out = _suggest_literal(item) or way_out or "give one that does"
    return _Problem(path, rule, _received(item), way_out + _default_words(_default(root, location)))


def _one_table_down(root: Any, location: _Location) -> str:
    """Say which table inside this one has a setting of that very name; empty if none has."""
    name, inside = str(location[-1]), _tables(_inside(root, location[:-1]))
    fields = [(table, kind) for member in inside for table, (kind, _) in _fields(member).items()]
    found = [table for table, kind in fields if any(name in _fields(member) for member in _tables(kind))]
    return " or ".join(f"it is a setting of '{table}': write {table} = {{ {name} = … }}" for table in found)


def _received(item: ErrorDetails) -> str:
    return "received nothing" if item["type"] == "missing" else f"received {item['input']!r}"


def _rule(message: str) -> str:
    """Write pydantic's message in lower case, about the setting instead of the input."""
    message = message.removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")
    return message[:1].lower() + message[1:]


def _suggest_literal(item: ErrorDetails) -> str:
    """Name the nearest of a short list of valid words."""
    if item["type"] != "literal_error" or not isinstance(item["input"], str):
        return ""
    words = item["ctx"]["expected"].replace(" or ", ", ").split(", ")
    return nearest(item["input"], [word.strip("'") for word in words])


def _default_words(default: object) -> str:
    return f"; the default is {default!r}" if isinstance(default, str | int | float) else ""


def _real_location(location: _Location, data: object) -> _Location:
    """Leave out the parts that pydantic adds for the members of a union."""
    real: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(data, Mapping) and (part in data or last):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        real.append(part)
    return tuple(real)


def _default(root: Any, location: _Location) -> object:
    """Return the default of the setting at a location, if its table has one."""
    for member in _tables(_inside(root, location[:-1])):
        if location and location[-1] in _fields(member):
            return _fields(member)[str(location[-1])][1]
    return MISSING


def _inside(kind: Any, location: _Location) -> Any:
    """Return the annotated type at a location, or None."""
    for part in location:
        kind = next((found for member in _members(kind) if (found := _step(member, part)) is not None), None)
    return kind


def _step(kind: Any, part: str | int) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _fields(kind).get(str(part), (None,))[0]
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(part, int):
        return arguments[0] if origin in (tuple, list) else None
    return arguments[1] if origin in (Mapping, dict) else None


def _members(kind: Any) -> Iterator[Any]:
    """List a union's members, or the type itself, without annotations."""
    if get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _tables(kind: Any) -> list[type]:
    return [member for member in _members(kind) if isinstance(member, type) and dataclasses.is_dataclass(member)]


def _said(kind: Any) -> Iterator[Says]:
    """List the words that a type, or a member of a union, carries."""
    if get_origin(kind) is Annotated:
        yield from (one for one in get_args(kind)[1:] if isinstance(one, Says))
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _said(member)


@cache
def _fields(kind: Hashable) -> dict[str, tuple[Any, object]]:
    """Return a table's keys with their annotated types and defaults."""
    hints = get_type_hints(cast("type", kind), include_extras=True)
    return {field.name: (hints[field.name], field.default) for field in dataclasses.fields(cast("Any", kind))}
