"""A study file before it is written: lines with the reason for each, and alternatives that are switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

Value = str | bool | int | float | Sequence[str] | Sequence[int] | Mapping[str, object]


@dataclass(frozen=True)
class Line:
    """A setting.

    Attributes:
        key: its name in the table.
        value: as TOML has it.
        why: why it is so, or what else it could be; "" where that is plain.
        is_on: whether it holds; others are written as comments.
    """

    key: str
    value: Value
    why: str = ""
    is_on: bool = True


@dataclass(frozen=True)
class Draft:
    """A study file.

    Attributes:
        head: lines of comment at the top.
        tables: lines of every table by its name, in order; "" is the top.
    """

    head: tuple[str, ...]
    tables: Mapping[str, tuple[Line, ...]]

    def find(self, setting: str) -> Line | None:
        """Return the line of a setting that holds, such as ``data.split.group``; None where there is none."""
        table, _, key = setting.rpartition(".")
        return next((line for line in self.tables.get(table, ()) if line.key == key and line.is_on), None)

    def put(self, setting: str, line: Line) -> Draft:
        """Return the draft with another line in the place of a setting's, or as the last of its table."""
        table, _, key = setting.rpartition(".")
        lines = self.tables.get(table, ())
        changed = tuple(line if one.key == key and one.is_on else one for one in lines)
        new = changed if self.find(setting) else (*lines, line)
        return replace(self, tables={**self.tables, table: new})

    def without(self, setting: str, why: str) -> Draft:
        """Return the draft with a setting switched off, and why."""
        line = self.find(setting)
        return self if line is None else self.put(setting, replace(line, why=why, is_on=False))
