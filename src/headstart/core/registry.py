"""Registries: a literal table of names, each with the dataclass that its settings build.

A method is a frozen dataclass. Fields that are dataclasses themselves (how a client trains, how rounds go) are its
*parts*: a user writes their settings flat beside the method's own, and the entry puts them where they belong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_type_hints

from headstart.core.errors import SettingError, nearest


@dataclass(frozen=True)
class Scale:
    """A tuning range: from the written value divided by ``factor`` to the value times ``factor``, log-uniform.

    Attributes:
        factor: above 1.
        most: what the setting may be at most; None for no limit.
    """

    factor: float
    most: float | None = None


@dataclass(frozen=True)
class UpTo:
    """A tuning range of whole numbers: from 0 to what the method's setting ``most`` says."""

    most: str


Search = Scale | UpTo
"""What tuning may try."""


@dataclass(frozen=True)
class Setting:
    """One flat setting of a method: its type, its default and, if it may be tuned, its range."""

    type: Any
    default: Any
    search: Search | None


@dataclass(frozen=True)
class Entry:
    """One line of a registry.

    Attributes:
        factory: the method's frozen dataclass.
        parts: which dataclass fills a field as a part, where it is not the field's own default.
    """

    factory: type
    parts: Mapping[str, type] = field(default_factory=dict)

    def settings(self) -> dict[str, Setting]:
        """Return the flat settings by name."""
        return {name: setting for name, _, setting in _flatten(self.factory, self.parts)}

    def build(self, values: Mapping[str, Any]) -> Any:
        """Build the method from flat values.

        Raises:
            SettingError: a key is unknown or a value breaks its rule.
        """
        known = {name: (path, setting) for name, path, setting in _flatten(self.factory, self.parts)}
        own: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {part: {} for part in _default_parts(self.factory, self.parts)}
        for name, value in values.items():
            if name not in known:
                raise SettingError(f"{name}: unknown setting; {nearest(name, known)}")
            path, setting = known[name]
            target = nested[path] if path else own
            target[name] = validate(name, value, setting.type)
        parts = _default_parts(self.factory, self.parts)
        return self.factory(**own, **{part: dataclasses.replace(parts[part], **nested[part]) for part in parts})


def validate(name: str, value: Any, kind: Any) -> Any:
    """Check one value against its annotated type.

    Raises:
        SettingError: the value breaks the rule; the message names setting, rule and value.

    >>> validate("rounds", 3, int)
    3
    """
    from headstart.core.settings import read

    return read(kind, value, name)


def lookup(table: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """Return the entry called ``name``.

    Raises:
        SettingError: no such entry; the message names the nearest.
    """
    if name not in table:
        raise SettingError(f"{kind}: unknown method {name!r}; {nearest(name, table)}")
    return table[name]


def _default_parts(factory: type, overrides: Mapping[str, type]) -> dict[str, Any]:
    """Return each part's default instance: the field's own, or that of the class which fills it instead."""
    own = {f.name: f.default for f in dataclasses.fields(factory) if dataclasses.is_dataclass(f.default)}
    return {**own, **{name: part() for name, part in overrides.items()}}


def _flatten(factory: type, overrides: Mapping[str, type]) -> Iterator[tuple[str, str, Setting]]:
    parts = _default_parts(factory, overrides)
    for f in dataclasses.fields(factory):
        if f.name not in parts and f.metadata.get("setting", True):
            yield f.name, "", Setting(_hints(factory)[f.name], f.default, f.metadata.get("search"))
    for part, instance in parts.items():
        cls: Any = type(instance)
        for f in dataclasses.fields(cls):
            if f.metadata.get("setting", True):
                setting = Setting(_hints(cls)[f.name], getattr(instance, f.name), f.metadata.get("search"))
                yield f.name, part, setting


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)
