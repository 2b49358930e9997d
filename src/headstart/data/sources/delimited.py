"""CSV and TSV files: encoding and delimiter are given or found out, every cell is read as text."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from pathlib import Path

import pyarrow as pa

from headstart.core.errors import DataError
from headstart.core.limits import check_memory, memory_limit
from headstart.data.sources.table_format import TableFormat

_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WESTERN = "cp1252"
"""Windows' superset of Latin-1, the likeliest encoding of a file of Western text that is not UTF-8."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE_LINES, _SHOWN = 100, 4
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")
_TIMES = 4
"""Memory for a file of such cells, in sizes of the file: its bytes, its text, the text's bytes, the table."""


def read_delimited(path: Path, form: TableFormat, usual: str) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a file of delimited cells; all columns are text, an empty cell is a null.

    Args:
        path: the file; gzip is opened.
        form: what the settings say.
        usual: the delimiter of the file's ending, which another must beat.

    Raises:
        DataError: the encoding is not what was said, or cannot be found out; or a row has too few or too many cells.
    """
    text, notes = _decoded(read_bytes(path, _TIMES), path.name, form.encoding)
    delimiter = form.delimiter or _delimiter(text, usual)
    if not text.strip():
        raise DataError(f"data.source: '{path.name}' is empty; give a file with rows")
    if delimiter != usual and form.delimiter is None:
        notes += (f"'{path.name}': read with {_DELIMITERS[delimiter]} between the cells",)
    header = _header(text, delimiter, path.name)
    return _parsed(text, delimiter, path.name, header), (*notes, *_odd_header(header, path.name))


def read_bytes(path: Path, times: int) -> bytes:
    """Return a file's content, unpacked if it is gzip.

    Args:
        path: the file.
        times: memory that the table will take, in sizes of the content.

    Raises:
        DataError: it would take too much, or it is no whole gzip file.
    """
    what, way_out = f"the table '{path.name}'", "give fewer rows or columns"
    check_memory("data.source", what, times * path.stat().st_size, way_out)
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return path.read_bytes()
    most = memory_limit() // times
    try:
        with gzip.open(path) as packed:
            content = packed.read(most + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"data.source: cannot unpack '{path.name}' ({error}); check that the file is whole") from None
    check_memory("data.source", what, times * len(content), way_out)
    return content


def decoded_utf8(content: bytes, name: str) -> str:
    """Decode UTF-8, with or without a byte order mark.

    Raises:
        DataError: it is not.
    """
    return _decoded_as(content, name, "utf-8-sig")


def _decoded(content: bytes, name: str, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    """Decode a file's bytes, and note a guess."""
    if encoding is not None:
        return _decoded_as(content, name, encoding), ()
    for mark, marked in _BOMS.items():
        if content.startswith(mark):
            return _decoded_as(content, name, marked), ()
    try:
        return content.decode(), ()
    except UnicodeDecodeError as error:
        where = _where(error, content)
    try:
        text = content.decode(_WESTERN)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(
            f"data.encoding: '{name}' is not UTF-8 ({where}), and no Western text either; say which with "
            "data.encoding, such as 'utf-16' or 'cp1250'"
        )
    return text, (f"'{name}': not UTF-8 ({where}); read as Western text ({_WESTERN}), else say data.encoding",)


def _decoded_as(content: bytes, name: str, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"data.encoding: '{name}' is not {encoding} ({_where(error, content)}); say another, such as 'latin-1', or "
            "convert the file to UTF-8"
        ) from None


def _where(error: UnicodeDecodeError, content: bytes) -> str:
    line = content.count(b"\n", 0, error.start) + 1
    return f"byte 0x{content[error.start]:02x} in line {line}"


def _delimiter(text: str, usual: str) -> str:
    """Return the sign that cuts the first lines into equally many cells, the most of them; else the usual one."""
    lines = text[: 1 << 16].splitlines()[:_SAMPLE_LINES]
    lines = lines[:-1] if len(text) > 1 << 16 else lines
    widths = {sign: _width(lines, sign) for sign in (usual, *_DELIMITERS)}
    return max(widths, key=lambda sign: widths[sign])


def _width(lines: list[str], delimiter: str) -> int:
    """Return how many cells every line has; 1 where they differ."""
    try:
        rows = [row for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter) if row]
    except csv.Error:
        return 1
    whole = rows[:-1] if len(lines) >= _SAMPLE_LINES - 1 else rows  # a cell of several lines may be cut off
    found = {len(row) for row in whole}
    return found.pop() if len(found) == 1 else 1


def _header(text: str, delimiter: str, name: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise DataError(
            f"data.source: cannot read the first line of '{name}' ({error}); give a file whose first line names its "
            "columns"
        ) from None


def _odd_header(header: list[str], name: str) -> tuple[str, ...]:
    """Note a first line that looks like a row.

    >>> _odd_header(["63", "1", "yes"], "a.csv")[0][:57]
    "'a.csv': its first line (63, 1, yes) names the columns, a"
    >>> [_odd_header(names, "a.csv") for names in (["north", "63", "1"], ["town", "2020", "2021"], ["0", "1", "2"])][1:]
    [(), ()]
    """
    numbers = [cell for cell in header if _NUMBER.fullmatch(cell)]
    if len(header) < 2 or not numbers or 2 * len(numbers) < len(header) or _counts_up(numbers):
        return ()
    some = ", ".join(header[:_SHOWN]) + (", …" if len(header) > _SHOWN else "")
    return (
        f"'{name}': its first line ({some}) names the columns, and looks like a row; if it is one, put a line of names "
        "before it",
    )


def _counts_up(numbers: list[str]) -> bool:
    """Say whether numbers are places, as columns without a name have."""
    return numbers == [str(int(float(numbers[0].replace(",", "."))) + place) for place in range(len(numbers))]


def _parsed(text: str, delimiter: str, name: str, header: list[str]) -> pa.Table:
    from pyarrow import csv as arrow_csv

    try:
        return arrow_csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=arrow_csv.ReadOptions(column_names=_unique(header), skip_rows=1),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(_unique(header), pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        ).rename_columns(header)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"data.source: cannot read '{name}' ({reason}); its cells are taken to be cut by {delimiter!r}: mend the "
            "row, or say data.delimiter"
        ) from None


def _unique(header: list[str]) -> list[str]:
    """Name columns by position: two may share a name, which is told later."""
    return [f"{position}" for position in range(len(header))]
