"""Check or build the files that the presets in studies/ need, from their public sources.

    scripts/get_data                       # what is needed, and where it comes from
    scripts/get_data FOLDER                # check what is there, build what is missing; then HEADSTART_DATA=FOLDER
    scripts/get_data FOLDER --weights DIR  # and check the checkpoints; then HEADSTART_WEIGHTS=DIR

A file counts by its rows: their number, their order, and a hash of all they hold. ``--mirror ADDRESS`` takes sources
from ADDRESS/host/path instead of https://host/path; ``--only NAME`` names one file. Exit code 0: all that was asked for
is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preset_files import CHECKPOINTS, RECIPES, Fetch, Recipe, Row

UNTRIED = "built from an address that could not be tried where this was written; what comes is checked row by row"


def digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Hash rows in their order: columns, values, and the bytes of pictures.

    >>> digest([{"a": 1.0, "b": None}]) == digest([{"a": 1.0, "b": None}]) != digest([{"a": 2.0, "b": None}])
    True
    """
    whole = hashlib.sha256()
    for row in rows:
        whole.update(hashlib.sha256(json.dumps(row, default=_hashed, ensure_ascii=False).encode()).digest())
    return whole.hexdigest()


def _hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetcher(mirror: str | None = None) -> Fetch:
    """Return what fetches an address, from its host or from a mirror (``https://…``, ``http://…`` or ``file://…``)."""

    @cache
    def fetch(address: str) -> bytes:
        url = f"{mirror.rstrip('/')}/{address}" if mirror else f"https://{address}"
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the user's own mirror, or https
            return bytes(answer.read())

    return fetch


def rows_of(path: Path) -> list[Row]:
    """Read a file's rows."""
    rows: list[Row] = pq.read_table(path).to_pylist()
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: object) -> object:
    return None if isinstance(value, float) and np.isnan(value) else value


def check(path: Path, recipe: Recipe) -> str:
    """Say what is wrong with a file; "" if it is the recipe's."""
    try:
        return compare(rows_of(path), recipe)
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read ({str(error).splitlines()[0]})"


def compare(rows: Sequence[Row], recipe: Recipe) -> str:
    """Say how rows differ from the recipe's; "" if they do not."""
    if len(rows) != recipe.rows:
        return f"has {len(rows)} rows, not {recipe.rows}"
    return "" if digest(rows) == recipe.digest else "has as many rows, but of other content or order"


def build(path: Path, recipe: Recipe, fetch: Fetch) -> str:
    """Make a file, beside its place first; return what is wrong, "" if it is there now."""
    if recipe.build is None:
        return f"cannot be built here: {recipe.source}"
    try:
        rows = list(recipe.build(fetch))
    except (OSError, KeyError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        return f"its source cannot be read ({type(error).__name__}: {error}); {recipe.source}"
    wrong = compare(rows, recipe)
    if wrong:
        return f"what its source gave {wrong}: it has changed, and nothing was written; {recipe.source}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        pq.write_table(_table(rows, recipe), file)
    Path(file.name).chmod(0o644)
    os.replace(file.name, path)
    return ""


def _table(rows: Sequence[Row], recipe: Recipe) -> pa.Table:
    """Return rows as a table that says which columns are pictures and what classes are called."""
    features: dict[str, Any] = {recipe.image: {"_type": "Image"}} if recipe.image else {}
    if recipe.names:
        features["label"] = {"names": list(recipe.names), "_type": "ClassLabel"}
    table = pa.Table.from_pylist(list(rows))
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def run(folder: Path | None, weights: Path | None, mirror: str | None, recipes: Mapping[str, Recipe]) -> bool:
    """Check and build in a folder, or list what there is; return whether all is there."""
    fetch = fetcher(mirror)
    states = [_file(folder, name, recipe, fetch) for name, recipe in recipes.items()]
    states += [_checkpoint(weights, name, wanted) for name, wanted in CHECKPOINTS.items()] if weights else []
    return all(states)


def _file(folder: Path | None, name: str, recipe: Recipe, fetch: Fetch) -> bool:
    if folder is None:
        how = UNTRIED if recipe.build else "only checked: this repository does not know how to make it"
        print(f"{name}: {recipe.rows:,} rows; {how}\n    {recipe.source}")
        return True
    path = folder / name
    wrong = check(path, recipe) if path.exists() else build(path, recipe, fetch)
    print(f"{name}: {wrong or 'as it should be'}")
    return not wrong


def _checkpoint(folder: Path, name: str, wanted: str) -> bool:
    path = folder / name / "model.safetensors"
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    hint = "cannot be built here; write a Hub name into a copy of the preset instead (docs/models.md)"
    wrong = f"{'is another' if found else 'is not there'}, and {hint}"
    print(f"{name}: {'as it should be' if found == wanted else wrong}")
    return found == wanted


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--mirror")
    parser.add_argument("--only", choices=RECIPES, action="append")
    wanted = parser.parse_args(words)
    recipes = {name: recipe for name, recipe in RECIPES.items() if not wanted.only or name in wanted.only}
    return 0 if run(wanted.folder, wanted.weights, wanted.mirror, recipes) else 1


if __name__ == "__main__":
    sys.exit(main())
