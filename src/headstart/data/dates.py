"""Dates as files write them: numbers whose order is that of time, and days for a network.

Read are date and timestamp columns, text in ISO 8601 (``2021-03-04``, ``20210304T0830Z``, ``2021-03``), ``2021/03/04``,
``04.03.2021`` (the day first) and ``3/4/2021``, where some row tells day from month; and numbers: years, ``20210304``,
seconds since 1970 and their thousandths, or any others, which may only order rows. A time without a zone is taken for
UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.sources import Source
from headstart.data.sources.numbers import floats

_DAY = 86_400.0
_FIRST_DAY = 10_957
"""Of 2000-01-01, in days since 1970: days near to 0 keep their fractions in single precision."""

_WITH_TIME = re.compile(r"(?<=\d)[T ]\d")
_MONTH = re.compile(r"^\d{4}-\d\d?$")
_DAY_FIRST, _MONTH_FIRST = r"\3-\2-\1", r"\3-\1-\2"
_PER_SECOND = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_LEAST_DAY = 1e7
"""A day written as a number, and any that counts seconds beside such, is above."""


def times_of(source: Source, name: str, setting: str) -> Array:
    """Return numbers that order a column's rows by time, float64; NaN where a cell is empty.

    Raises:
        DataError: there is no such column, or a cell is no date; setting, row and cell are named.
    """
    column = source.column(name, setting)
    if _is_number(column.type):
        numbers = floats(column)
        _kind_of_numbers(source, name, numbers, setting)
        return numbers
    return _seconds(source, name, setting)


def days_of(source: Source, name: str, setting: str) -> Array:
    """Return the days since 2000-01-01 that a column's dates mean, with fractions; NaN where a cell is empty.

    Raises:
        DataError: as ``times_of``; or numbers do not say what they count.
    """
    column = source.column(name, setting)
    if not _is_number(column.type):
        return _seconds(source, name, setting) / _DAY - _FIRST_DAY
    numbers = floats(column)
    kind = _kind_of_numbers(source, name, numbers, setting)
    if kind in _PER_SECOND:
        return numbers / (_PER_SECOND[kind] * _DAY) - _FIRST_DAY
    if kind:
        return _by_value(numbers, lambda number: _seconds_of_number(number, kind) / _DAY - _FIRST_DAY)
    first = numbers[~np.isnan(numbers)][:1]
    if not len(first):
        return numbers
    raise DataError(
        f"{setting}: '{name}' of '{source.name}' holds numbers, such as {first[0]:g}, that are neither years nor "
        "YYYYMMDD nor seconds since 1970; it is an input as it is: take it out of the list"
    )


def is_date(kind: pa.DataType) -> bool:
    """Say whether a column's type is that of days or points in time."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def looks_dated(column: pa.ChunkedArray) -> bool:
    """Say whether the first cells of a column of text are all dates.

    >>> looks_dated(pa.chunked_array([["2021-03-04", None]])), looks_dated(pa.chunked_array([["north", "2021-03-04"]]))
    (True, False)
    """
    if not _is_text(column.type):
        return False
    texts = [text.decode(errors="replace").strip() for text in column[:100].cast(pa.large_binary()).to_pylist() if text]
    return bool(texts) and all(map(_is_moment, texts))


def _is_moment(text: str) -> bool:
    for order in (_MONTH_FIRST, _DAY_FIRST):
        try:
            _moment(text, order)
        except ValueError:
            continue
        return True
    return False


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _seconds(source: Source, name: str, setting: str) -> Array:
    column = source.column(name, setting)
    if is_date(column.type):
        return _of_stamps(column)
    if not (_is_text(column.type) or pa.types.is_null(column.type)):
        raise DataError(
            f"{setting}: must be a column of dates, received '{name}' of '{source.name}', which holds {column.type}; "
            "name another column, or write dates as 2021-03-04"
        )
    return _of_texts(source, name, setting)


def _of_stamps(column: pa.ChunkedArray) -> Array:
    """Return seconds since 1970; a date is the beginning of its day."""
    kind = column.type
    units = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
    per_second = units[kind.unit] if pa.types.is_timestamp(kind) else 1e3 if pa.types.is_date64(kind) else 1 / _DAY
    whole = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return floats(pa.chunked_array([chunk.view(whole) for chunk in column.chunks], whole)) / per_second


def _of_texts(source: Source, name: str, setting: str) -> Array:
    texts = source.texts(name, setting)
    found: dict[str, float] = {}
    zoned: dict[bool, str] = {}
    read = _reader({text for text in texts if text}, source, name, setting)
    for row, text in enumerate(texts):
        if text is None or text in found:
            continue
        try:
            moment = read(text)
        except ValueError:
            raise DataError(
                f"{setting}: '{name}' of '{source.name}' must hold dates, received '{text[:40]}' in row "
                f"{source.row_numbers[row]}; write dates as 2021-03-04 or 2021-03-04T08:30+01:00"
            ) from None
        if _WITH_TIME.search(text):
            zoned.setdefault(moment.tzinfo is not None, text)
        found[text] = _since_1970(moment)
    if len(zoned) > 1:
        raise DataError(
            f"{setting}: '{name}' of '{source.name}' holds times with a zone, such as '{zoned[True][:40]}', and "
            f"without, such as '{zoned[False][:40]}', whose order nobody knows; write the zone everywhere, or nowhere"
        )
    return np.array([np.nan if text is None else found[text] for text in texts], dtype=np.float64)


def _reader(texts: set[str], source: Source, name: str, setting: str) -> Callable[[str], datetime]:
    """Return what reads one cell, after a look at all of them: slashes alone do not say which number is the day."""
    slashed = [match for match in (re.match(r"^(\d\d?)/(\d\d?)/\d{4}\b", text) for text in texts) if match]
    day_first = any(int(match[1]) > 12 for match in slashed)
    month_first = any(int(match[2]) > 12 for match in slashed)
    if slashed and day_first == month_first:
        raise DataError(
            f"{setting}: '{name}' of '{source.name}' holds dates such as '{min(match[0] for match in slashed)}', which "
            "may be meant in two ways; write dates as 2021-03-04"
        )
    order = _DAY_FIRST if day_first else _MONTH_FIRST
    return lambda text: _moment(text, order)


def _moment(text: str, order: str) -> datetime:
    r"""Read one cell.

    Args:
        text: of it.
        order: how the numbers of ``3/4/2021`` stand in ISO 8601, as a pattern.

    >>> _moment("2021-03", ""), _moment("4.3.2021 08:30", ""), _moment("3/4/2021", r"\3-\1-\2").month
    (datetime.datetime(2021, 3, 1, 0, 0), datetime.datetime(2021, 3, 4, 8, 30), 3)
    """
    text = re.sub(r"^(\d\d?)\.(\d\d?)\.(\d{4})\b", r"\3-\2-\1", text)
    text = re.sub(r"^(\d\d?)/(\d\d?)/(\d{4})\b", order, text)
    text = re.sub(r"^(\d{4})/(\d\d?)/(\d\d?)\b", r"\1-\2-\3", text)
    text = f"{text}-1" if _MONTH.match(text) else text
    text = re.sub(r"^(\d{4})-(\d\d?)-(\d\d?)\b", lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", text)
    return datetime.fromisoformat(text)


def _since_1970(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def _kind_of_numbers(source: Source, name: str, numbers: Array, setting: str) -> str:
    """Say what numbers count: years, days (``20210304``), seconds or their parts; empty where they do not tell.

    Raises:
        DataError: some count years and some count something else.
    """
    known = np.unique(numbers[~np.isnan(numbers)])
    if not np.isfinite(known).all():
        raise DataError(f"{setting}: '{name}' of '{source.name}' holds an infinite number; mend it")
    years = (known >= 1000) & (known <= 9999)
    if not len(known) or years.all():
        return "years" if len(known) else ""
    if years.any() and (years | (np.abs(known) > _LEAST_DAY)).all():
        raise DataError(
            f"{setting}: '{name}' of '{source.name}' holds years, such as {known[years][0]:g}, and other numbers, such "
            f"as {known[~years][0]:.15g}; write dates as 2021-03-04"
        )
    if all(map(_is_day, known.tolist())):
        return "days"
    size = np.abs(known).max()
    return next((kind for kind, each in _PER_SECOND.items() if 1e8 * each <= size < 1e11 * each), "")


def _is_day(number: float) -> bool:
    """Say whether a number is a date written as one.

    >>> _is_day(20210304), _is_day(20211304), _is_day(2021.5)
    (True, False, False)
    """
    try:
        return number == int(number) and _LEAST_DAY < number < 1e8 and bool(date.fromisoformat(str(int(number))))
    except ValueError:
        return False


def _seconds_of_number(number: float, kind: str) -> float:
    """Return when a year, which may have a fraction, or a day began.

    >>> _seconds_of_number(2000, "years") / 86400, _seconds_of_number(20000102, "days") / 86400
    (10957.0, 10958.0)
    """
    if kind == "days":
        return _since_1970(datetime.fromisoformat(str(int(number))))
    begins = _since_1970(datetime(int(number), 1, 1))
    return begins + (number - int(number)) * 365.25 * _DAY


def _by_value(numbers: Array, change: Callable[[float], float]) -> Array:
    known, places = np.unique(numbers, return_inverse=True)
    changed: Sequence[float] = [np.nan if np.isnan(number) else change(float(number)) for number in known]
    return np.asarray(changed, dtype=np.float64)[places]
