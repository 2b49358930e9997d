"""Folders of images: class/file, or client/class/file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from headstart.core.errors import DataError
from headstart.data.sources.source import Source
from headstart.data.sources.tables import IMAGE_SUFFIXES
from headstart.data.split_names import SPLIT_NAMES

_TABLES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xlsx"})


def open_folder(path: Path) -> Source:
    """Open a folder of class folders, or a folder of client folders that each hold class folders.

    Columns: ``image`` (path), ``label`` (class folder), ``id`` (path inside the folder), and ``client`` (the
    outer folder), or ``split`` where all outer folders are named train, val, test or the like. Hidden files
    and files that are no images are passed over.

    Raises:
        DataError: no image at either depth, or images at both.
    """
    files = sorted(file.relative_to(path) for file in path.rglob("*") if _is_image(file, path))
    depths = {len(file.parts) for file in files}
    if not files:
        _check_no_tables(path)
    if depths not in ({2}, {3}):
        raise DataError(
            f"data.source: '{path}' should hold images as class/file or client/class/file, found "
            f"{_found(files, depths)}; move the files, or list them in a CSV file"
        )
    columns = {"image": [str(file) for file in files], "label": [file.parts[-2] for file in files]}
    columns["id"] = [file.as_posix() for file in files]
    outer = [file.parts[0] for file in files] if depths == {3} else []
    return _with_outer(path, columns, outer)


def _with_outer(path: Path, columns: dict[str, list[str]], outer: list[str]) -> Source:
    """Add what the outer folders mean, if there are any."""
    notes: tuple[str, ...] = ()
    client = None
    if outer and set(map(str.lower, outer)) <= set(SPLIT_NAMES):
        columns["split"] = outer
    elif outer:
        client, columns["client"] = "client", outer
        notes = _empty_clients(path, set(outer))
    table = pa.table(columns)
    return Source(
        path.name, table, image_column="image", id_column="id", client_column=client, folder=path, notes=notes
    )


def _empty_clients(path: Path, found: set[str]) -> tuple[str, ...]:
    folders = {folder.name for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")}
    empty = sorted(folders - found)
    return (f"{len(empty)} client folders hold no image and are left out: {', '.join(empty[:5])}",) if empty else ()


def _check_no_tables(path: Path) -> None:
    """Tell a folder of tables, which is not one source, from one without a picture."""
    tables = sorted(file.relative_to(path) for file in path.rglob("*") if file.suffix.lower() in _TABLES)
    if tables:
        raise DataError(
            f"data.source: '{path}' holds {len(tables)} tables, such as '{tables[0]}', and only Parquet files of a "
            "folder are read as one; give one file, or join them, with a column that says whose a row is"
        )


def _is_image(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return not hidden and file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()


def _found(files: list[Path], depths: set[int]) -> str:
    if not files:
        return "no image at all"
    return f"images at depths {', '.join(map(str, sorted(depths)))} (such as '{files[0]}')"
