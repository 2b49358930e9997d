"""What a user reads when a setting is wrong: one line that names setting, rule, value and a way out."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from headstart.core.errors import nearest

Location = tuple[str | int, ...]

_UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}
# pydantic's kind of error: the rule in the study file's words, and a way out.
_KINDS = {
    "missing": ("is required", "add it to the study file"),
    "int_type": ("must be a whole number", "write digits alone, without quotes"),
    "int_from_float": ("must be a whole number", "it is a count, not a share: write digits alone"),
    "float_type": ("must be a number", "write it without quotes"),
    "string_type": ("must be text", "put it in quotes"),
    "bool_type": ("must be true or false", "write true or false without quotes"),
    "tuple_type": ("must be a list", "put it in square brackets"),
    "list_type": ("must be a list", "put it in square brackets"),
    "dict_type": ("must be a table", "write { … } or a [section] of its own"),
    "model_type": ("must be a table", "write { … } or a [section] of its own"),
    "dataclass_type": ("must be a table", "write { … } or a [section] of its own"),
}


@dataclasses.dataclass(frozen=True)
class _Problem:
    """One broken rule; a value that may be of several types breaks one for each."""

    path: str
    rule: str
    received: str
    way_out: str


def explain(error: ValidationError, root: Any, data: Any, prefix: str = "") -> list[str]:
    """Turn pydantic's errors into one line per setting.

    Args:
        error: what pydantic raised.
        root: the type that was validated; its fields name valid keys and defaults.
        data: the plain value that was validated.
        prefix: path of ``data`` itself, such as ``arms.fedavg.federate``.
    """
    lines: dict[str, _Problem] = {}
    for item in error.errors():
        found = _problem(item, root, data, prefix)
        known = lines.get(found.path)
        if known is None:
            lines[found.path] = found
        elif found.rule not in known.rule:
            lines[found.path] = dataclasses.replace(known, rule=f"{known.rule} or {found.rule}")
    return [f"{p.path}: {p.rule}, {p.received}; {p.way_out}" for p in lines.values()]


def join_path(prefix: str, location: Sequence[str | int]) -> str:
    """Write a path as the study file's reader would.

    >>> join_path("arms.a", ["federate", 1, "rounds"])
    'arms.a.federate[1].rounds'
    """
    path = prefix
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}" if path else part
    return path


def _problem(item: Any, root: Any, data: Any, prefix: str) -> _Problem:
    kind, location = item["type"], _real_location(item["loc"], data)
    path = join_path(prefix, location)
    if kind in _UNKNOWN:
        return _Problem(path, "unknown setting", _received(item), _nearest_key(root, location))
    if kind == "int_type" and isinstance(item["input"], float):
        kind = "int_from_float"
    rule, way_out = _KINDS.get(kind, ("", ""))
    way_out = _suggest_literal(item) or way_out or "give one that does"
    default = _default(root, location)
    if default:
        way_out += f", or leave it out for the default, {default}"
    return _Problem(path, rule or _rule(item["msg"]), _received(item), way_out)


def _received(item: Any) -> str:
    return "received nothing" if item["type"] == "missing" else f"received {item['input']!r}"


def _rule(message: str) -> str:
    """Write pydantic's message in lower case, about the setting instead of the input."""
    message = message.removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")
    return message[:1].lower() + message[1:]


def _suggest_literal(item: Any) -> str:
    """Name the nearest of a short list of valid words."""
    if item["type"] != "literal_error" or not isinstance(item["input"], str):
        return ""
    words = item["ctx"]["expected"].replace(" or ", ", ").split(", ")
    return nearest(item["input"], [word.strip("'") for word in words])


def _real_location(location: Sequence[str | int], data: Any) -> Location:
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


def _nearest_key(root: Any, location: Location) -> str:
    kind = _type_at(root, location[:-1])
    return nearest(str(location[-1]), _fields(kind)) if kind is not None else "leave it out"


def _default(root: Any, location: Location) -> str:
    kind = _type_at(root, location[:-1]) if location else None
    default = _fields(kind).get(str(location[-1]), (None, None))[1] if kind is not None else None
    return repr(default) if isinstance(default, str | int | float) else ""


def _type_at(root: Any, location: Location) -> Any:
    """Find the class of the table at a location, or None."""
    kind = root
    for part in location:
        fields = next((_fields(member) for member in _members(kind) if _fields(member)), {})
        if part not in fields:
            return None
        kind = fields[str(part)][0]
    return next((member for member in _members(kind) if _fields(member)), None)


def _members(kind: Any) -> Iterator[Any]:
    """List a union's members, or the type itself."""
    if get_origin(kind) in (Union, types.UnionType):
        yield from get_args(kind)
    else:
        yield kind


def _fields(kind: Any) -> dict[str, tuple[Any, Any]]:
    """Return a table's keys with their types and defaults; empty for anything else."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: (field.annotation, field.default) for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: (hints[field.name], field.default) for field in dataclasses.fields(kind)}
    return {}
