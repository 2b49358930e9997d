"""Dates as files write them become numbers in the order of time, or one clear error."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.errors import DataError
from headstart.data.dates import days_of, times_of
from headstart.data.sources import Source

MARCH_4 = 7733.0
"""Of 2021, in days since 2000-01-01."""


def source(values: object) -> Source:
    return Source("wards", pa.table({"admitted": values}))


def days(values: object) -> list[float]:
    return [float(day) for day in days_of(source(values), "admitted", "data.dates")]


FORMS: dict[str, object] = {
    "ISO": ["2021-03-04", "2021-03-05T12:00:00"],
    "ISO without signs": ["20210304", "20210305T120000"],
    "a blank before the time": ["2021-03-04", "2021-03-05 12:00"],
    "zones": ["2021-03-04T02:00+02:00", "2021-03-05T12:00Z"],
    "slashes, the year first": ["2021/03/04", "2021/3/5 12:00"],
    "dots": ["04.03.2021", "5.3.2021 12:00"],
    "one digit": ["2021-3-4", "2021-3-5 12:00"],
    "ISO and dots": ["2021-03-04", "05.03.2021 12:00"],
    "dates of a calendar, and noon": pa.array([datetime(2021, 3, 4), datetime(2021, 3, 5, 12)]),
    "seconds": [1614816000, 1614816000 + 36 * 3600],
    "milliseconds": [1614816000000.0, 1614816000000.0 + 36 * 3600e3],
    "stamps of nanoseconds": pa.array([datetime(2021, 3, 4), datetime(2021, 3, 5, 12)], pa.timestamp("ns")),
    "stamps with a zone": pa.array(
        [datetime(2021, 3, 4, tzinfo=UTC), datetime(2021, 3, 5, 14, tzinfo=timezone(timedelta(hours=2)))]
    ),
}


@pytest.mark.parametrize("values", FORMS.values(), ids=FORMS.keys())
def test_the_usual_forms_mean_one_time(values: object) -> None:
    assert days(values) == pytest.approx([MARCH_4, MARCH_4 + 1.5])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([date(2021, 3, 4), None], pa.date32()), [MARCH_4, np.nan]),
        (pa.array([date(2021, 3, 4), None], pa.date64()), [MARCH_4, np.nan]),
        ([20210304, 20210305], [MARCH_4, MARCH_4 + 1]),
        ([2000, 2001.5], [0.0, 366 + 182.625]),
        (["2000-02", "2000-W05-1"], [31.0, 30.0]),
        (["25/3/2021", "4/3/2021"], [MARCH_4 + 21, MARCH_4]),
        (["3/25/2021", "3/4/2021"], [MARCH_4 + 21, MARCH_4]),
        (["9999-12-31T23:00-10:00", "0001-01-01T00:00+14:00"], [2921940 - 1 + 1 + 9 / 24, -730119 - 14 / 24]),
        ([-946684800, 946684800], [-2 * 10957.0, 0.0]),
        (pa.array([None, None], pa.null()), [np.nan, np.nan]),
        (["2021-03-04", None, " "], [MARCH_4, np.nan, np.nan]),
    ],
)
def test_other_forms(values: object, expected: list[float]) -> None:
    assert days(values) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2021-03-04", "spring 2021"], r"must hold dates, received 'spring 2021' in row 1; write dates as 2021-03-04"),
        (["2021-02-30", "2021-02-01"], r"received '2021-02-30' in row 0"),
        (["2021-03-04", "2021"], r"received '2021' in row 1"),
        (["3/4/2021", "5/6/2021"], r"holds dates such as '3/4/2021', which may be meant in two ways"),
        (["13/4/2021", "5/16/2021"], r"which may be meant in two ways"),
        (["2021-03-04T08:00", "2021-03-04T08:00Z"], r"times with a zone, such as .*Z', and without, such as"),
        ([2021, 20210304], r"holds years, such as 2021, and other numbers, such as 20210304; write"),
        ([1, 2, 3], r"holds numbers, such as 1, that are neither years nor YYYYMMDD nor seconds"),
        ([1e9, float("inf")], r"holds an infinite number"),
        ([True, False], r"must be a column of dates, received 'admitted' of 'wards', which holds bool"),
        (pa.array([[1], [2]]), r"which holds list<"),
        (pa.array([3600, 7200], pa.time32("s")), r"which holds time32"),
    ],
)
def test_what_is_no_date_is_one_error(values: object, message: str) -> None:
    with pytest.raises(DataError, match=r"^data\.dates: .*" + message):
        days(values)


def test_numbers_of_any_unit_order_rows() -> None:
    assert times_of(source([3, 1, None]), "admitted", "data.split.time")[:2].tolist() == [3.0, 1.0]
    assert times_of(source([2021, 2019]), "admitted", "data.split.time").tolist() == [2021.0, 2019.0]


def test_an_offset_of_years_and_days_is_seen_in_an_order_too() -> None:
    with pytest.raises(DataError, match=r"^data\.split\.time: .* holds years"):
        times_of(source([2021, 20210304]), "admitted", "data.split.time")


moments = st.lists(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 30)), min_size=1, max_size=8)


@given(moments)
def test_text_and_stamps_are_ordered_alike(found: list[datetime]) -> None:
    texts = times_of(source([moment.isoformat() for moment in found]), "admitted", "data.split.time")
    stamps = times_of(source(pa.array(found, pa.timestamp("us"))), "admitted", "data.split.time")
    assert np.allclose(texts, stamps, rtol=0, atol=1e-3)
    assert texts.argsort(kind="stable").tolist() == stamps.argsort(kind="stable").tolist()
