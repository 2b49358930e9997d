"""Registries: a literal table of names, each with the dataclass that its settings build.

A method is a frozen dataclass. Fields that are dataclasses themselves (how a client trains, how rounds go) are its
*parts*: a user writes their settings flat beside the method's own, and the entry puts them where they belong.
"""

from __future__ import annotations

import dataclasses
import inspect
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
        defaults: settings that begin with another value than the dataclass gives them.
        on_device: whether headstart-edge has the method, too.
        says: what the method does, as a clause of a report's sentence; ``{words}`` is the stage as it was written.
    """

    factory: type
    parts: Mapping[str, type] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    on_device: bool = False
    says: str = ""

    def settings(self) -> dict[str, Setting]:
        """Return the flat settings by name."""
        return {name: setting for name, _, setting in self._flatten()}

    def build(self, values: Mapping[str, Any]) -> Any:
        """Build the method from flat values.

        Raises:
            SettingError: a key is unknown or a value breaks its rule.
        """
        known = {name: (path, setting) for name, path, setting in self._flatten()}
        parts = self._parts()
        given: dict[str, dict[str, Any]] = {path: {} for path in ("", *parts)}
        for name, value in {**self.defaults, **values}.items():
            if name not in known:
                raise SettingError(f"{name}: unknown setting; {nearest(name, known)}")
            path, setting = known[name]
            given[path][name] = validate(name, value, setting.type)
        filled = {name: dataclasses.replace(part, **given[name]) for name, part in parts.items()}
        return self.factory(**given[""], **filled)

    def _parts(self) -> dict[str, Any]:
        """Return each part's default instance: the field's own, or that of the class which fills it instead."""
        own = {f.name: f.default for f in dataclasses.fields(self.factory) if dataclasses.is_dataclass(f.default)}
        return {**own, **{name: part() for name, part in self.parts.items()}}

    def _flatten(self) -> Iterator[tuple[str, str, Setting]]:
        """Yield each setting's name, the part that it belongs to, and the setting, in the order of the fields."""
        parts = self._parts()
        for f in _own_first(self.factory):
            if f.name not in parts:
                yield f.name, "", self._setting(self.factory, f.name, f.default)
                continue
            part = parts[f.name]
            for own in _own_first(type(part)):
                yield own.name, f.name, self._setting(type(part), own.name, getattr(part, own.name))

    def _setting(self, cls: type, name: str, default: Any) -> Setting:
        kind = _hints(cls)[name]
        search = next((one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Search)), None)
        return Setting(kind, self.defaults.get(name, default), search)


def validate(name: str, value: Any, kind: Any) -> Any:
    """Check one value against its annotated type.

    Raises:
        SettingError: the value breaks the rule; the message names setting, rule and value.

    >>> validate("rounds", 3, int)
    3
    """
    from headstart.core.settings import read

    return read(kind, value, name)


def _own_first(cls: Any) -> list[dataclasses.Field[Any]]:
    """Return a dataclass's fields, those that a variant adds before those of what it varies."""
    own = inspect.get_annotations(cls)
    return sorted(dataclasses.fields(cls), key=lambda f: f.name not in own)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)
