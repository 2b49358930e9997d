from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.study.init.candidates import group_of, id_of, possible_clients, possible_labels, split_of, text_of
from study.init.samples import ROWS, found_in, wards

NOTHING: frozenset[str | None] = frozenset()
NOTES = [f"a note number {i} of several words" for i in range(ROWS)]


def test_a_column_that_is_called_so_is_the_label(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards(smoker=[i % 2 for i in range(ROWS)]))
    assert possible_labels(found)[:2] == ("label", "smoker")


def test_else_the_last_of_few_values_is_but_not_what_describes_a_case(tmp_path: Path) -> None:
    few: dict[str, Any] = {name: [i % 2 for i in range(ROWS)] for name in ("cough", "fever", "sex")}
    found = found_in(tmp_path, **wards(label=None, **few))
    assert possible_labels(found) == ("fever", "cough")


def test_else_the_last_measurement_is(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards(label=None, hospital=None, gain=np.linspace(0, 1, ROWS)))
    assert possible_labels(found) == ("gain", "dose")


def test_identifiers_and_splits_are_no_labels(tmp_path: Path) -> None:
    found = found_in(tmp_path, nr=range(ROWS), part=["train", "test"] * 120)
    assert possible_labels(found) == ()


def test_who_holds_a_row_is_the_last_resort(tmp_path: Path) -> None:
    found = found_in(tmp_path, text=NOTES, speaker=["a", "b", "c"] * 80)
    assert possible_labels(found) == ("speaker",)


def test_clients_are_places_with_rows_enough(tmp_path: Path) -> None:
    columns = wards(branch=[f"b{i}" for i in range(ROWS)], ward=["one"] * ROWS, region=["a"] * 235 + ["b"] * 5)
    assert possible_clients(found_in(tmp_path, **columns), "label") == ("hospital",)


def test_of_two_columns_that_say_the_same_the_one_of_names_is_taken(tmp_path: Path) -> None:
    columns = wards(hospital=None, center=[0, 1, 2] * 80, region=["east", "north", "south"] * 80)
    assert possible_clients(found_in(tmp_path, **columns), "label") == ("region", "center")


def test_persons_are_clients_only_with_many_rows_each(tmp_path: Path) -> None:
    many, few = [i // 24 for i in range(ROWS)], [i // 12 for i in range(ROWS)]
    assert possible_clients(found_in(tmp_path, **wards(hospital=None, subject=many)), "label") == ("subject",)
    assert possible_clients(found_in(tmp_path, **wards(hospital=None, subject=few)), "label") == ()


def test_the_coarsest_group_is_taken(tmp_path: Path) -> None:
    columns = wards(patient=[i // 6 for i in range(ROWS)], scan=[i // 2 for i in range(ROWS)])
    found = found_in(tmp_path, **columns)
    assert group_of(found, NOTHING) == "patient"
    assert group_of(found, frozenset({"patient"})) == "scan"


def test_a_group_with_empty_cells_is_none(tmp_path: Path) -> None:
    columns = wards(patient=[None, *(i // 6 for i in range(ROWS - 1))])
    assert group_of(found_in(tmp_path, **columns), NOTHING) is None


def test_texts_are_inputs_beside_few_numbers_or_by_their_name(tmp_path: Path) -> None:
    three = {name: np.linspace(0, 1, ROWS) for name in ("a", "b", "c")}
    assert text_of(found_in(tmp_path, said=NOTES, label=["a", "b"] * 120), NOTHING) == "said"
    assert text_of(found_in(tmp_path, said=NOTES, **three), NOTHING) is None
    assert text_of(found_in(tmp_path, said=NOTES[::-1], text=NOTES, **three), NOTHING) == "text"


def test_a_split_that_leaves_out_many_rows_is_not_taken(tmp_path: Path) -> None:
    whole, part = ["train", "test"] * 120, ["train", "test", "not used"] * 80
    assert split_of(found_in(tmp_path, **wards(split=whole))) == "split"
    assert split_of(found_in(tmp_path, **wards(split=part))) is None


def test_an_id_names_every_row_once(tmp_path: Path) -> None:
    columns = wards(image_id=[f"i{i}" for i in range(ROWS)], id=[1] * ROWS)
    assert id_of(found_in(tmp_path, **columns), NOTHING) == "image_id"
    assert id_of(found_in(tmp_path, **wards()), NOTHING) is None
