"""Data sets of the Hugging Face library: from the Hub by name, or a local folder that it saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.core.errors import DataError, require
from headstart.core.limits import check_memory
from headstart.data.sources.source import Source
from headstart.data.sources.table_format import TableFormat
from headstart.data.sources.tables import source_of_table


def is_saved_dataset(path: Path) -> bool:
    """Say whether ``datasets`` wrote this folder with ``save_to_disk``."""
    return (path / "state.json").exists() or (path / "dataset_dict.json").exists()


def open_hub(name: str, form: TableFormat) -> Source:
    """Download (or find in the local cache) a data set of the Hub.

    Args:
        name: ``NAME`` or ``NAME:CONFIG``. All its splits are joined; the column ``split`` says which a row is
            from.
        form: which words mean an empty cell.

    Raises:
        DataError: the Hub cannot be reached or has no such data set.
        MissingExtra: ``datasets`` is not installed.
    """
    require("datasets", "hub")
    import datasets

    dataset, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(dataset, config or None)
    except Exception as error:  # the library raises many kinds, and all of them mean the same here
        reason = str(error).splitlines()[0]
        raise DataError(
            f"data.source: cannot load 'hub:{name}' ({reason}); check the name and the network, or give a "
            "local Parquet file"
        ) from error
    return _source_of(loaded, dataset, form)


def open_saved_dataset(path: Path, form: TableFormat) -> Source:
    """Open a folder that ``save_to_disk`` wrote; the splits of a DatasetDict are joined.

    Raises:
        DataError: the folder cannot be read.
        MissingExtra: ``datasets`` is not installed.
    """
    require("datasets", "hub")
    import datasets

    try:
        return _source_of(datasets.load_from_disk(str(path)), path.name, form)
    except DataError:
        raise
    except Exception as error:  # of what a bad folder makes the library raise there is no list
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"data.source: cannot read '{path}' ({reason}); save the data set again") from error


def _source_of(loaded: Any, name: str, form: TableFormat) -> Source:
    """Turn a Dataset or a DatasetDict into one table."""
    if not hasattr(loaded, "column_names") or not isinstance(loaded.column_names, dict):
        return source_of_table(_table(loaded), name, None, form)
    parts = [_with_split(_table(part), split) for split, part in loaded.items()]
    return source_of_table(pa.concat_tables(parts, promote_options="default"), name, None, form)


def _table(dataset: Any) -> pa.Table:
    """Return the rows in order (a Dataset may be a shuffled view), with the description of the columns."""
    check_memory("data.source", "a data set", float(dataset.data.nbytes), "give a part of it")
    table: pa.Table = dataset.with_format("arrow")[:]
    return table.replace_schema_metadata(dataset.features.arrow_schema.metadata)


def _with_split(table: pa.Table, split: str) -> pa.Table:
    if "split" in table.column_names:
        return table
    return table.append_column("split", pa.array([split] * table.num_rows))
