from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.core.errors import DataError
from headstart.study.init.parts import input_columns, parts_of
from study.init.samples import ROWS, found_in, wards, write_classes


def test_a_table_of_a_hospital(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards(ward=["a", "b"] * 120, town=["x", "y", "z"] * 80, nr=range(ROWS)))
    parts = parts_of(found)
    assert (parts.inputs, parts.label, parts.task, parts.client) == ("table", "label", "classification", "hospital")
    assert (parts.one_hot, set(parts.left_out)) == (("town",), {"ward"})
    assert input_columns(found, parts) == ("age", "dose", "town")


def test_what_was_said_counts(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards(smoker=[i % 2 for i in range(ROWS)]))
    parts = parts_of(found, label="smoker", client="")
    assert (parts.label, parts.client) == ("smoker", None)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards())
    with pytest.raises(DataError, match=r"--label: .*has no column 'labell'; did you mean 'label'"):
        parts_of(found, label="labell")


def test_an_input_that_tells_the_label_is_left_out(tmp_path: Path) -> None:
    grades = [0, 1, 2] * 80
    found = found_in(tmp_path, **wards(grade=grades, label=["ill" if grade else "well" for grade in grades]))
    parts = parts_of(found)
    assert parts.left_out == {"grade": "it alone tells 'label'"}
    assert "grade" not in input_columns(found, parts)


def test_measurements_are_a_regression(tmp_path: Path) -> None:
    scores = np.random.default_rng(1).normal(size=(2, ROWS))
    found = found_in(tmp_path, **wards(label=None, motor_UPDRS=scores[0], total_UPDRS=scores[1]))
    parts = parts_of(found)
    assert (parts.label, parts.task, parts.other_labels) == ("total_UPDRS", "regression", ("motor_UPDRS",))
    assert list(parts.left_out) == ["motor_UPDRS"]


def test_many_whole_numbers_are_measured_unless_they_are_called_a_label(tmp_path: Path) -> None:
    ages = np.random.default_rng(1).integers(0, 30, ROWS)
    assert parts_of(found_in(tmp_path, **wards(label=None, price=ages))).task == "regression"
    assert parts_of(found_in(tmp_path, **wards(label=ages % 25))).task == "classification"
    assert parts_of(found_in(tmp_path, **wards(label=ages * 7.5))).task == "regression"


def test_a_time_and_its_event_are_survival(tmp_path: Path) -> None:
    times = np.random.default_rng(1).exponential(size=ROWS)
    columns = wards(label=None, T=times, E=[i % 2 for i in range(ROWS)])
    found = found_in(tmp_path, **columns)
    assert (parts_of(found).task, parts_of(found).label, parts_of(found).event) == ("survival", "T", "E")
    assert (parts_of(found, label="T").task, parts_of(found, label="E").task) == ("survival", "classification")
    assert input_columns(found, parts_of(found)) == ("age", "dose")


def test_a_label_goes_before_a_time_and_its_event(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards(T=np.random.default_rng(1).exponential(size=ROWS), E=[0, 1] * 120))
    assert parts_of(found).label == "label"


def test_a_patient_in_a_hospital_is_a_group(tmp_path: Path) -> None:
    parts = parts_of(found_in(tmp_path, **wards(patient=[i // 6 for i in range(ROWS)])))
    assert (parts.client, parts.group) == ("hospital", "patient")


def test_pictures_of_class_folders(tmp_path: Path) -> None:
    from headstart.study.init.look import look

    parts = parts_of(look(str(write_classes(tmp_path / "pets")), Path()))
    assert (parts.inputs, parts.label, parts.client, parts.id) == ("image", "label", None, None)


def test_columns_with_words_among_numbers_are_left_out(tmp_path: Path) -> None:
    levels = [f"{i / 10}" if i % 5 else "low" for i in range(ROWS)]
    assert parts_of(found_in(tmp_path, **wards(level=levels))).left_out == {
        "level": "numbers with words, such as 'low'"
    }


def test_a_table_without_a_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must have a column of labels.*'nr' \(whole numbers, all different"):
        parts_of(found_in(tmp_path, nr=range(ROWS)))


def test_a_table_without_inputs_is_refused(tmp_path: Path) -> None:
    found = found_in(tmp_path, nr=range(ROWS), label=["a", "b"] * 120)
    with pytest.raises(DataError, match="must have something to learn 'label' from"):
        parts_of(found)
