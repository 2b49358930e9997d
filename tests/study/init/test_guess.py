from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.costs.devices import parse_device
from headstart.study.init.guess import guess
from headstart.study.init.guess_clients import clients_of
from headstart.study.init.look import look
from headstart.study.init.parts import parts_of
from headstart.study.init.shares import shares_for
from headstart.study.init.write import written
from study.init.samples import ROWS, found_in, wards, write_classes


def text_for(folder: Path, **columns: Any) -> str:
    found = found_in(folder, **columns)
    return written(guess(found, parts_of(found), "table.parquet", "headstart init table.parquet"))


def table_for(folder: Path, **columns: Any) -> dict[str, Any]:
    return tomllib.loads(text_for(folder, **columns))


def test_a_hospital_table_has_only_what_must_be_said(tmp_path: Path) -> None:
    table = table_for(tmp_path, **wards())
    assert table["data"] == {
        "source": "table.parquet",
        "label": "label",
        "client": "hospital",
        "split": {"train": 0.4, "val": 0.1, "test": 0.5},
    }
    assert table["model"] == {"backbone": "linear"}
    assert table["decision"] == {"baseline": "fedavg", "metric": "accuracy", "min_effect": 0.02}


def test_without_clients_some_are_made_up_and_the_file_says_so(tmp_path: Path) -> None:
    text = text_for(tmp_path, **wards(hospital=None))
    assert tomllib.loads(text)["data"]["partition"] == {"method": "dirichlet_clients", "num_clients": 6, "alpha": 0.5}
    assert "these clients are made up, for trying out" in text


def test_a_column_of_names_is_offered_as_clients_of_texts(tmp_path: Path) -> None:
    notes = [f"a note number {i} of several words" for i in range(ROWS)]
    text = text_for(tmp_path, text=notes, label=["a", "b"] * 120, kind=["x", "y", "z"] * 80)
    assert '# client = "kind"' in text
    assert tomllib.loads(text)["model"]["backbone"] == "minilm"


def test_long_texts_are_cut(tmp_path: Path) -> None:
    notes = [f"a note number {i} " + "of several words " * 60 for i in range(ROWS)]
    assert table_for(tmp_path, text=notes, label=["a", "b"] * 120)["model"]["max_tokens"] == 128


def test_empty_cells_are_filled(tmp_path: Path) -> None:
    columns = wards(dose=[None, *np.linspace(0, 1, ROWS - 1)])
    assert table_for(tmp_path, **columns)["data"]["missing"] == "mean"


def test_rows_without_a_label_are_left_out_and_cells_filled_all_the_same(tmp_path: Path) -> None:
    columns = wards(dose=[None, *np.linspace(0, 1, ROWS - 1)], label=[None, *(["a", "b", "b"] * 80)[1:]])
    data = table_for(tmp_path, **columns)["data"]
    assert (data["missing"], set(data["where"]["label"])) == ("mean", {"a", "b"})


def test_rows_without_a_client_are_left_out(tmp_path: Path) -> None:
    columns = wards(hospital=[None, *(["a", "b", "c"] * 80)[1:]])
    assert table_for(tmp_path, **columns)["data"]["missing"] == "drop"


def test_uneven_classes_count_alike(tmp_path: Path) -> None:
    text = text_for(tmp_path, **wards(label=["ill"] * 40 + ["well"] * 200))
    assert tomllib.loads(text)["decision"]["metric"] == "balanced_accuracy"
    assert '# metric = "auroc"' in text


def test_an_official_split_is_taken_and_one_that_leaves_out_rows_offered(tmp_path: Path) -> None:
    assert table_for(tmp_path, **wards(split=["train", "train", "test"] * 80))["data"]["split"] == {"column": "split"}
    text = text_for(tmp_path, **wards(split=["train", "test", "not used"] * 80))
    assert '# column = "split"' in text
    assert set(tomllib.loads(text)["data"]["split"]) == {"train", "val", "test"}


def test_many_clients_are_held_out_in_part(tmp_path: Path) -> None:
    columns = wards(rows=600, hospital=[f"h{i % 30}" for i in range(600)])
    assert table_for(tmp_path, **columns)["data"]["held_out_clients"] == 0.2


def test_regression_and_survival_are_written(tmp_path: Path) -> None:
    times = np.random.default_rng(1).exponential(size=ROWS)
    measured = table_for(tmp_path, **wards(label=None, score=times))
    assert (measured["data"]["label"], measured["data"]["task"]) == ("score", "regression")
    assert measured["decision"] == {"baseline": "fedavg", "metric": "mae"}
    survived = table_for(tmp_path, **wards(label=None, T=times, E=[0, 1] * 120))
    assert [survived["data"][key] for key in ("label", "event", "task")] == ["T", "E", "survival"]
    assert survived["decision"]["metric"] == "c_index"


def test_whole_numbers_that_may_be_codes_are_offered_as_categories(tmp_path: Path) -> None:
    assert '# one_hot = ["cp"]' in text_for(tmp_path, **wards(cp=[1, 2, 3, 4] * 60))


def test_columns_that_play_no_part_are_named_with_their_reason(tmp_path: Path) -> None:
    text = text_for(tmp_path, **wards(nr=range(ROWS), day=["2024-01-31", "2024-02-01"] * 120))
    assert "# Not used: 'nr' (whole numbers, all different and in order), 'day' (dates)." in text


def test_a_source_that_lies_beside_is_the_pool(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards())
    table = tomllib.loads(written(guess(found, parts_of(found), "x", "headstart init x", "public")))
    assert table["data"]["central"] == {"source": "public"}


def test_pictures_of_one_small_size_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.study.init.backbones.is_installed", lambda name, extra: False)
    found = look(str(write_classes(tmp_path / "pets")), Path())
    table = tomllib.loads(written(guess(found, parts_of(found), "pets", "headstart init pets")))
    assert (table["model"], "image_size" in table["data"]) == ({"backbone": "small-cnn"}, False)


def test_a_trained_backbone_reads_pictures_of_a_size_that_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.study.init.backbones.is_installed", lambda name, extra: True)
    found = look(str(write_classes(tmp_path / "pets")), Path())
    table = tomllib.loads(written(guess(found, parts_of(found), "pets", "headstart init pets")))
    assert (table["model"], table["data"]["image_size"]) == ({"backbone": "efficientnet-lite0"}, 96)
    assert table["decision"]["baseline"] == "fedavg-pretrained"


def test_test_sets_grow_until_they_decide() -> None:
    assert [shares_for([count] * 10, held_out=0).test for count in (2000, 400, 10)] == [0.2, 0.3, 0.5]
    assert not shares_for([10] * 10, held_out=0).decides


def test_several_columns_of_zero_or_one_are_offered_as_labels_together(tmp_path: Path) -> None:
    several: dict[str, Any] = {
        name: np.random.default_rng(1).integers(0, 2, ROWS) for name in ("cough", "fever", "rash")
    }
    text = text_for(tmp_path, **wards(label=None, **several))
    assert '# labels = ["rash", "fever", "cough"]' in text
    assert "# labels" not in text_for(tmp_path, **wards(**several))


def test_dates_are_offered_as_inputs_and_as_the_order_of_time(tmp_path: Path) -> None:
    text = text_for(tmp_path, **wards(day=[f"2024-01-{1 + i % 28:02}" for i in range(ROWS)]))
    assert '# dates = ["day"]' in text
    assert '# time = "day"' in text


def test_rows_without_a_label_count_for_no_client(tmp_path: Path) -> None:
    found = found_in(tmp_path, **wards(hospital=["a"] * 120 + ["b"] * 120, label=[None] * 20 + ["ill", "well"] * 110))
    assert clients_of(found, parts_of(found)) == (120, 100)


def test_classes_that_are_uneven_at_single_clients_are_said_to_be(tmp_path: Path) -> None:
    labels = [*["ill"] * 110, *["well"] * 10, *["ill"] * 10, *["well"] * 110]
    text = text_for(tmp_path, **wards(hospital=["north"] * 120 + ["south"] * 120, label=labels))
    assert "equally frequent over all clients; at 'north' one has 92% of the rows" in text


def test_one_hospital_alone_is_named_and_clients_are_made_up(tmp_path: Path) -> None:
    text = text_for(tmp_path, **wards(hospital=["north"] * ROWS))
    assert "'hospital' names one holder of rows, who is alone: these clients are made up" in text


def test_what_is_not_read_beside_texts_is_named_with_the_reason(tmp_path: Path) -> None:
    notes = [f"a note number {i} of several words" for i in range(ROWS)]
    text = " ".join(text_for(tmp_path, text=notes, label=["a", "b"] * 120, age=[40, 51, 63] * 80).split())
    assert "Not used: 'age' (whole numbers), for a model reads the texts alone." in text.replace("# ", "")


def test_a_column_that_tells_the_label_is_no_input_though_a_label_is_missing(tmp_path: Path) -> None:
    labels = [None, *["ill", "well"] * 119, "ill"]
    grades = [0, *[3, 1] * 119, 3]
    assert table_for(tmp_path, **wards(label=labels, grade=grades))["data"]["columns"] == ["age", "dose"]


def test_german_names_are_known(tmp_path: Path) -> None:
    columns = wards(
        hospital=None, label=None, Krankenhaus=["Nord", "Süd"] * 120, Diagnose=["krank", "krank", "gesund"] * 80
    )
    data = table_for(tmp_path, **columns)["data"]
    assert (data["client"], data["label"]) == ("Krankenhaus", "Diagnose")


def test_a_phone_is_described_and_switched_off(tmp_path: Path) -> None:
    text = text_for(tmp_path, **wards())
    assert "devices" not in tomllib.loads(text)
    said = tomllib.loads(text[text.index("# [devices.phone]") :].replace("# ", "", 1).replace("\n# ", "\n"))
    assert parse_device("phone", said["devices"]["phone"]).memory == 2e9
