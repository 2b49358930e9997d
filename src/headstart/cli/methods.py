"""The listing of all methods, one method whole, and the keys of a study file's tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from headstart.cli.reference.keys import TABLES, Key, keys_of, settings_of
from headstart.cli.reference.methods import paper, summary
from headstart.cli.replies import MethodReply
from headstart.cli.saying import say
from headstart.core.errors import SettingError, nearest
from headstart.core.registry import Entry
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

_ARMS = "its keys are those of methods: headstart methods"
_ELSEWHERE = {
    "arms": _ARMS,
    "training": _ARMS,
    "devices": "docs/costs.md has its keys",
    "site": "docs/federation.md has the keys of a site's file",
}
"""Where the keys of a study file's other tables are told."""


def show_methods(console: Console) -> None:
    """Print a table per stage; what many methods share is said once."""
    say(lambda: [_reply(kind, name, entry) for kind, table in METHODS.items() for name, entry in table.items()])
    for kind, words in STAGES.items():
        console.print(_table(kind, words), soft_wrap=False)
    for name, part in SHARED.items():
        console.print(f"{name}…: {', '.join(_names(part))}", style="dim", soft_wrap=False)


def show_method(console: Console, name: str) -> None:
    """Print one method whole: what it does, its paper, how it differs from that, and its settings.

    Raises:
        SettingError: there is no such method.
    """
    found = [(kind, table[name]) for kind, table in METHODS.items() if name in table]
    if not found:
        known = [one for table in METHODS.values() for one in table]
        raise SettingError(f"headstart methods: unknown method, received {name!r}; {nearest(name, known)}")
    say(lambda: [_reply(kind, name, entry) for kind, entry in found])
    for kind, entry in found:
        _show(console, kind, name, entry)


def show_keys(console: Console, table: str | None) -> None:
    """Print the keys of one table of a study file; without a name, those of the file and the names of its tables.

    Raises:
        SettingError: there is no such table.
    """
    name = (table or "file").strip("[]")
    if name not in TABLES:
        raise SettingError(
            f"headstart keys: unknown table, received {table!r}; {_ELSEWHERE.get(name) or nearest(name, TABLES)}"
        )
    wanted = (name,) if table else TABLES
    say(lambda: {one: tuple(keys_of(TABLES[one])) for one in wanted})
    console.print(_keys(keys_of(TABLES[name]), "a study file" if name == "file" else f"[{name}]"))
    if table is None:
        others = ", ".join(one for one in TABLES if one != "file")
        console.print(f"headstart keys TABLE shows one of: {others}", style="dim", soft_wrap=False)
        console.print("[arms], [training]: headstart methods; [devices]: docs/costs.md", style="dim", markup=False)


def _reply(kind: Kind, name: str, entry: Entry) -> MethodReply:
    citation, differs = paper(entry)
    return MethodReply(
        name, kind, entry.says.format(words=name), citation, differs, tuple(settings_of(entry, tuned=kind != "start"))
    )


def _show(console: Console, kind: Kind, name: str, entry: Entry) -> None:
    citation, differs = paper(entry)
    console.print(f"{name} ({kind}: {STAGES[kind]})", style="bold", markup=False, highlight=False)
    for text in (summary(entry), citation, f"Differs from the paper: {differs}"):
        console.print(Padding(Text(_plain(text)), (0, 0, 1, 2)), soft_wrap=False)
    if entry.settings():
        console.print(_keys(settings_of(entry, tuned=kind != "start"), f"settings of {name}"))


def _keys(keys: Iterable[Key], title: str) -> Table:
    table = Table(title=title.replace("[", "\\["), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("key", no_wrap=True)
    table.add_column("default", max_width=18)
    table.add_column("type and meaning", ratio=1)
    for key in keys:
        cells = (_plain(text).replace("[", "\\[") for text in (key.default, f"{key.type}: {key.meaning}"))
        table.add_row(key.name, *cells)
    return table


def _plain(text: str) -> str:
    return text.replace("`", "")


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
