from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from headstart.data.sources import Source
from headstart.study.init.columns import Column, columns_of


def column(values: object, kind: pa.DataType | None = None, **known: object) -> Column:
    (found,) = columns_of(Source("t", pa.table({"c": pa.array(values, kind)}), **known))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.5, 1.0, None], "numbers"),
        ([3.0, 4.0, 5.0], "whole numbers"),
        ([float("inf"), 1.0, 2.0], "numbers"),
        ([0.0, 1.0, 1.0, None], "zero or one"),
        ([True, False], "zero or one"),
        ([1, 2, 1], "whole numbers"),
        ([7, 7, None], "one value"),
        ([None, float("nan")], "nothing"),
        ([None, None], "nothing"),
        ([2**53 + 1, 2**60, 5], "whole numbers"),
        (["red", "green", "red"], "names"),
        (["a text of some words and more", "another text of some words"], "texts"),
        (["2024-01-31", "2024-02-01"], "dates"),
        (["1.2.2024 10:30", "28.12.2023"], "dates"),
        ([datetime.date(2024, 1, 31), datetime.date(2024, 2, 1)], "dates"),
        ([[1.0, 2.0], [3.0, 4.0]], "vectors"),
        ([["a"], ["b"]], "lists"),
    ],
)
def test_says_what_cells_are(values: object, kind: str) -> None:
    assert column(values).kind == kind


def test_counts_values_and_empty_cells() -> None:
    found = column(["a", "b", "a", " ", None])
    assert (found.counts, found.distinct, found.empty, found.sizes) == ({"a": 2, "b": 1}, 2, 2, (2, 1))


def test_names_of_classes_are_names() -> None:
    found = column([0, 1, 1, -1], class_names={"c": ("cat", "dog")})
    assert (found.kind, found.counts) == ("names", {"dog": 2, "cat": 1})


def test_long_names_that_repeat_are_no_texts() -> None:
    assert column(["a disease of some organ or other", "no finding at all in this one"] * 20).kind == "names"


def test_bytes_that_are_no_text_do_not_matter() -> None:
    assert column(pa.array([b"\xff\xfe", b"ok"]).view(pa.string())).distinct == 2


def test_words_among_numbers_are_found() -> None:
    assert column(["1.5", "2", "low", "3", "low"]).words == ("low",)
    assert column(["007", "012", "100"]).words == ()


def test_few_values_are_named_and_many_are_summed_up() -> None:
    assert column(["a", "b", "a"]).in_words == "a 2, b 1"
    assert column(list("abcdefga")).in_words == "of 1 to 2 rows"
    assert column(list("abcdefg")).in_words == "of 1 rows each"


def test_numbers_that_may_be_meant_in_two_ways_are_found() -> None:
    assert column(["1,234", "5,678"]).unclear == "1,234"
    assert column(["a", "b"]).unclear == ""
