"""Where examples come from: one file per kind of source, and the table that opens them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from headstart.core.errors import DataError, nearest
from headstart.data.sources.embedded import digits, glyphs
from headstart.data.sources.folders import open_folder
from headstart.data.sources.hugging_face import is_saved_dataset, open_hub, open_saved_dataset
from headstart.data.sources.source import Source
from headstart.data.sources.table_format import TableFormat
from headstart.data.sources.tables import open_table

_EMBEDDED: Mapping[str, Callable[[], Source]] = {"digits": digits, "glyphs": glyphs}

__all__ = ["Source", "TableFormat", "open_source"]


def open_source(source: str, base: Path, setting: str = "data.source", form: TableFormat | None = None) -> Source:
    """Open a source by name or path.

    Args:
        source: an embedded name, ``hub:NAME``, or a path.
        base: where relative paths start.
        setting: how messages name the setting.
        form: how a table's cells are written; None finds it out.

    Raises:
        DataError: nothing is there, it cannot be read, or it has no rows.
    """
    opened = _open(source, base, setting, form or TableFormat())
    if len(opened) == 0:
        raise DataError(f"{setting}: '{source}' has no rows; give a source with examples")
    return opened


def _open(source: str, base: Path, setting: str, form: TableFormat) -> Source:
    if source in _EMBEDDED:
        return _EMBEDDED[source]()
    if source.startswith("hub:"):
        return open_hub(source.removeprefix("hub:"), form)
    path = base / Path(source).expanduser()
    if not path.exists():
        raise DataError(f"{setting}: '{source}' is not there (looked for {path.absolute()}); {_alternatives(path)}")
    if path.is_file() or any(path.glob("*.parquet")):
        return open_table(path, form)
    return open_saved_dataset(path, form) if is_saved_dataset(path) else open_folder(path)


def _alternatives(path: Path) -> str:
    """Say what lies beside a missing path, or what other sources there are."""
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest(path.name, siblings)
    return hint.split(" (valid:")[0] if hint.startswith("did") else "give a path, 'hub:NAME', 'digits' or 'glyphs'"
