"""The documentation's reference tables: what stands between two comments of a page is written by this file.

A page holds ``<!-- methods: federate -->``, the table, and ``<!-- end -->``; what is between them is made from the
registries and settings, and a test fails where it has fallen behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from headstart.cli.reference.errors import messages_of
from headstart.cli.reference.keys import TABLES, Key, keys_of, settings_of
from headstart.cli.reference.methods import paper, summary
from headstart.core.registry import Entry
from headstart.sites.settings import Budget, Minima
from headstart.sites.site_file import SiteFile
from headstart.study.written.arms import METHODS

_OF_SITES: Mapping[str, type] = {"site": SiteFile, "site.minima": Minima, "site.budget": Budget}
"""Tables of a site's own file."""

_PLACE = re.compile(
    r"^<!-- (settings|methods|summary|errors): ([\w.]*) ?-->\n(?:.*?^<!-- end -->\n)?", re.MULTILINE | re.DOTALL
)


def filled(page: str) -> str:
    """Return a page with its tables as the code declares them.

    >>> filled("<!-- settings: budget -->" + chr(10)).splitlines()[2]
    '| setting | type | default | meaning |'
    """
    return _PLACE.sub(_fill, page)


def _fill(place: re.Match[str]) -> str:
    kind, name = place[1], place[2]
    return f"<!-- {kind}: {name} -->\n\n" + "\n".join(_KINDS[kind](name)) + "\n\n<!-- end -->\n"


def _settings(name: str) -> Iterator[str]:
    return _table(keys_of({**TABLES, **_OF_SITES}[name]))


def _methods(stage: str) -> Iterator[str]:
    sections = [_section(name, entry, tuned=stage != "start") for name, entry in _entries(stage).items()]
    for number, section in enumerate(sections):
        if number:
            yield ""
        yield from section


def _section(name: str, entry: Entry, *, tuned: bool) -> Iterator[str]:
    """Yield a method's heading, what it does, its paper, what differs from it, and its settings."""
    citation, differs = paper(entry)
    yield f"### `{name}`\n\n{summary(entry)}\n"
    yield f"**Paper.** {_linked(citation)}\n\n**Differs from the paper.** {differs}\n"
    if not entry.settings():
        yield "No settings."
        return
    yield from _table(settings_of(entry, tuned=tuned))


def _summary(stage: str) -> Iterator[str]:
    """Yield one line per method of a stage with the names of its settings."""
    yield "| method | its settings |\n|---|---|"
    for name, entry in _entries(stage).items():
        keys = ", ".join(f"`{key}`" for key in entry.settings()) or "none"
        yield f"| [`{name}`](methods.md#{name}) | {keys} |"


def _errors(kind: str) -> Iterator[str]:
    """Yield one line per message of a kind of error."""
    yield from (f"- `{message}`" for message in messages_of(kind))


def _entries(stage: str) -> Mapping[str, Entry]:
    return METHODS[cast("Any", stage)]


def _table(keys: Iterable[Key]) -> Iterator[str]:
    yield "| setting | type | default | meaning |\n|---|---|---|---|"
    for key in keys:
        cells = (cell.replace("|", "\\|") for cell in (key.type, key.default, key.meaning))
        yield f"| `{key.name}` | {' | '.join(cells)} |"


def _linked(text: str) -> str:
    return re.sub(r"https://[^\s),]*[^\s),.]", lambda match: f"<{match[0]}>", text)


_KINDS: Mapping[str, Callable[[str], Iterator[str]]] = {
    "settings": _settings,
    "methods": _methods,
    "summary": _summary,
    "errors": _errors,
}
