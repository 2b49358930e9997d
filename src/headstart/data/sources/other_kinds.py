"""Files that no reader knows: what they are, and the way from them to one that does."""

from __future__ import annotations

from pathlib import Path

from headstart.core.errors import DataError

_AS_CSV = "save it as CSV (Excel: Save As; pandas: read_excel(…).to_csv(…, index=False))"
_IN_PYTHON = "load it in Python and give its arrays to headstart.from_arrays, or write a Parquet file"
_WAYS_OUT = {
    ".xlsx": _AS_CSV,
    ".xls": _AS_CSV,
    ".ods": _AS_CSV,
    ".npz": _IN_PYTHON,
    ".npy": _IN_PYTHON,
    ".pkl": _IN_PYTHON,
    ".pickle": _IN_PYTHON,
    ".pt": _IN_PYTHON,
    ".h5": _IN_PYTHON,
    ".hdf5": _IN_PYTHON,
    ".mat": _IN_PYTHON,
    ".arrow": "write it as Parquet (pandas: read_feather(…).to_parquet(…))",
    ".feather": "write it as Parquet (pandas: read_feather(…).to_parquet(…))",
    ".zip": "unpack it, and give the file or folder inside",
    ".tar": "unpack it, and give the file or folder inside",
    ".txt": "call it .csv or .tsv if it holds a table",
}
_PARQUET = "a Parquet file"
_CONTENTS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": _PARQUET,
    b"SQLite format 3": "an SQLite data base",
    b"version https://git-lfs": "a pointer of Git LFS",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
}


def way_out_of(suffix: str) -> str | None:
    """Say how to get from a file with this ending to a table; None of an ending that is not known.

    >>> way_out_of(".zip")
    'unpack it, and give the file or folder inside'
    """
    return _WAYS_OUT.get(suffix)


def check_content(path: Path) -> None:
    """Check that a file's content is not of another kind than its ending says.

    Raises:
        DataError: it is.
    """
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    for mark, kind in _CONTENTS.items():
        if start.startswith(mark) and not (kind == _PARQUET and path.suffix.lower() == ".parquet"):
            raise DataError(f"data.source: '{path.name}' is {kind}, whatever its ending says; give the table itself")
