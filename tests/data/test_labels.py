from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from headstart.core.errors import DataError
from headstart.data.labels import (
    check_classes,
    class_indices,
    class_names,
    class_order,
    doubtful_classes,
    keep_classes,
)
from headstart.data.sources import Source


def source(*labels: object, **more: object) -> Source:
    return Source("clinics", pa.table({"label": list(labels)}), **more)


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["b", "a", "10", "9"], ["9", "10", "a", "b"]),
        (["1", "-1", "0.5"], ["-1", "0.5", "1"]),
        (["1.0", "1"], ["1", "1.0"]),
    ],
)
def test_numbers_go_by_value_before_text_by_alphabet(names: list[str], ordered: list[str]) -> None:
    assert sorted(names, key=class_order) == ordered


@pytest.mark.parametrize(
    ("stated", "given", "names"),
    [
        ((), None, ("ill", "well")),
        (("well", "ill", "dead"), None, ("well", "ill", "dead")),
        (("well", "ill", "dead"), ("ill", "well"), ("ill", "well")),
    ],
)
def test_what_is_given_goes_before_what_the_file_states_before_what_is_found(
    stated: tuple[str, ...], given: tuple[str, ...] | None, names: tuple[str, ...]
) -> None:
    file = source("well", "ill", class_names={"label": stated} if stated else {})
    assert class_names(file, "label", ["well", "ill", None], given) == names


def test_names_become_their_places_and_empty_cells_are_unlabelled() -> None:
    assert class_indices(source(), "label", ["b", None, "a"], ("a", "b"), "data.label").tolist() == [1, -1, 0]


def test_a_label_outside_the_classes_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"data\.label: label 'wel' \(row 1 .*did you mean 'well'"):
        class_indices(source(), "label", ["ill", "wel"], ("ill", "well"), "data.label")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["ill"] * 9, r"has 1 class \(ill\); a task needs at least 2"),
        ([str(i) for i in range(30)], r"30 different values in 30 rows, which are no classes"),
    ],
)
def test_columns_that_hold_no_classes(values: list[str | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        class_names(source(), "label", values, None)


@pytest.mark.parametrize(
    "numbers",
    [
        [1.0, 2.0, None],
        [*range(20)],
        [*range(30)],
        [*range(10, 40)] * 5,
        ["1.5", "2.5"],
        [True, False],
    ],
    ids=["whole", "few", "counted from 0", "five rows each", "text", "truth"],
)
def test_numbers_that_may_be_classes(numbers: list[object]) -> None:
    check_classes(source(*numbers), "label", "data.label")


@pytest.mark.parametrize(
    ("numbers", "received"),
    [
        ([1.0, 2.5], r"2\.5 in row 1"),
        ([Decimal("1.0"), Decimal("0.1")], r"0\.1 in row 1"),
        ([*range(10, 40)] * 4, "30 different whole numbers in 120 rows"),
        ([float(i) for i in range(1, 31)], "30 different whole numbers in 30 rows"),
        ([*range(0, 60, 2), None], "30 different whole numbers in 30 rows"),
    ],
)
def test_measurements_are_no_classes(numbers: list[object], received: str) -> None:
    with pytest.raises(DataError, match=rf"a column of classes, received {received} of column 'label'.*data.task"):
        check_classes(source(*numbers), "label", "data.label")


def test_whoever_insists_has_as_many_classes_as_values() -> None:
    values = [str(i) for i in range(30)]
    assert len(class_names(source(), "label", values, None, "classification")) == 30


@pytest.mark.parametrize(("names", "doubtful"), [(("0", "1", "?"), "'?'"), (("ill", "NA", "n/a"), "'NA', 'n/a'")])
def test_a_class_that_may_be_an_empty_cell_is_noted(names: tuple[str, ...], doubtful: str) -> None:
    (note,) = doubtful_classes("label", names)
    assert note.startswith(f"{doubtful} of 'label' counts as a class")
    assert doubtful_classes("label", ("none", "disease")) == ()


@pytest.mark.parametrize(
    ("keep", "exclude", "left"),
    [
        (None, (), ("a", "b", "c")),
        (("c", "a"), (), ("a", "c")),
        (None, ("b",), ("a", "c")),
        (("a", "b"), ("b",), ("a",)),
    ],
)
def test_classes_kept_stay_in_their_order(
    keep: tuple[str, ...] | None, exclude: tuple[str, ...], left: tuple[str, ...]
) -> None:
    assert keep_classes(("a", "b", "c"), keep, exclude, "data") == left


@pytest.mark.parametrize(
    ("exclude", "message"), [(("d",), r"data: there is no class 'd'"), (("a", "b"), r"no class is left of a, b")]
)
def test_classes_that_cannot_be_left_out(exclude: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        keep_classes(("a", "b"), None, exclude, "data")
