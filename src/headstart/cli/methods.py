"""The listing of all methods: what each does, and what can be set."""

from __future__ import annotations

import dataclasses

from rich import box
from rich.console import Console
from rich.table import Table

from headstart.federate import Schedule
from headstart.study.written.arms import METHODS, Kind
from headstart.training import LocalTraining

STAGES: dict[Kind, str] = {
    "start": "where the shared weights come from",
    "federate": "what server and clients learn together",
    "adapt": "what each client then does alone",
}
"""The stages of an arm, in order."""

SHARED: dict[str, type] = {"rounds": Schedule, "training": LocalTraining}
"""Parts that many methods have."""


def show_methods(console: Console) -> None:
    """Print a table per stage; what many methods share is said once."""
    for kind, words in STAGES.items():
        console.print(_table(kind, words), soft_wrap=False)
    for name, part in SHARED.items():
        console.print(f"{name}…: {', '.join(_names(part))}", style="dim", soft_wrap=False)


def _table(kind: Kind, words: str) -> Table:
    table = Table(title=f"{kind}: {words}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("method", no_wrap=True)
    table.add_column("what it does", ratio=1)
    table.add_column("settings", ratio=1)
    for name, entry in METHODS[kind].items():
        table.add_row(name, entry.says.format(words=name), ", ".join(_short(list(entry.settings()))))
    return table


def _short(settings: list[str]) -> list[str]:
    """Return a method's settings, those of a shared part under its name."""
    for name, part in SHARED.items():
        names = _names(part)
        if set(names) <= set(settings):
            first = settings.index(names[0])
            settings = [one for one in settings if one not in names]
            settings.insert(min(first, len(settings)), f"{name}…")
    return settings


def _names(part: type) -> list[str]:
    return [field.name for field in dataclasses.fields(part)]
