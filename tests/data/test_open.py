"""The defined outcome of everything that data can get wrong, and what a federation must be."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.makers import png, write_people, write_pictures
from headstart.core.checked import add_checksum
from headstart.core.errors import DataError, HeadstartError
from headstart.data import (
    CentralSettings,
    DataSettings,
    PartitionSettings,
    SplitSettings,
    open_federation,
    resplit,
)

RNG = np.random.default_rng(0)


def _people(folder, settings=None, rows=40, **changes):
    source = write_people(folder, rows, **changes)
    return open_federation(DataSettings(**{"source": source, "client": "site", **(settings or {})}), folder)


def _pictures(folder, settings=None, **changes):
    source = write_pictures(folder, **changes)
    return open_federation(DataSettings(**{"source": source, "client": "site", **(settings or {})}), folder)


def _holed(values, **holes):
    return [holes.get(f"at{i}", value) for i, value in enumerate(values)]


ERRORS = {
    "label column missing": (
        _people,
        {"settings": {"label": "labl"}},
        r"data\.label.*no column 'labl'; did you mean 'label'",
    ),
    "client column missing": (
        _people,
        {"settings": {"client": "sight"}},
        r"data\.client.*'sight'.*did you mean 'site'",
    ),
    "input column missing": (
        _people,
        {"settings": {"columns": ("agee",)}},
        r"data\.columns.*'agee'.*did you mean 'age'",
    ),
    "image column missing": (
        _pictures,
        {"settings": {"image": "imagg"}},
        r"data\.image.*'imagg'.*did you mean 'image'",
    ),
    "id column missing": (_people, {"settings": {"id": "code"}}, r"data\.id.*no column 'code'"),
    "split column missing": (
        _people,
        {"settings": {"split": SplitSettings(column="fold")}},
        r"data\.split\.column.*'fold'",
    ),
    "where column missing": (
        _people,
        {"settings": {"where": {"town": "x"}}},
        r"data\.where.*no column 'town'",
    ),
    "where keeps nothing": (
        _people,
        {"settings": {"where": {"site": "west"}}},
        r"data\.where: no row.*site = west.*north",
    ),
    "within column missing": (
        _people,
        {"settings": {"client": None, "partition": PartitionSettings(within="sites")}},
        r"'sites'; did you mean 'site'",
    ),
    "label outside the classes": (
        _people,
        {"settings": {"classes": ("ill", "fit")}},
        r"data\.label: label 'well'.*outside",
    ),
    "null label": (
        _people,
        {"label": ["ill", None] * 20},
        r"data\.label.*empty in 20 rows, first in row 1.*'drop'",
    ),
    "null client": (_people, {"site": ["a", None] * 20}, r"data\.client.*'site'.*empty in 20 rows"),
    "one class": (_people, {"label": ["ill"] * 40}, r"data\.label.*1 class \(ill\)"),
    "label is a number": (
        _people,
        {"settings": {"label": "age"}},
        r"data\.label: must be a column of classes, received .* in row 0 of column 'age'",
    ),
    "NaN input": (
        _people,
        {"age": _holed([i / 2 for i in range(40)], at3=float("nan"))},
        r"data\.missing: 1 rows.*'age'.*row 3.*'drop'",
    ),
    "infinite input": (
        _people,
        {"age": _holed(map(float, range(40)), at7=float("inf"))},
        r"data\.missing.*infinite.*row 7",
    ),
    "duplicate id": (
        _people,
        {"settings": {"id": "code"}, "code": ["x", "x", *map(str, range(38))]},
        r"data\.id.*1 names.*'x'",
    ),
    "text input": (
        _people,
        {"settings": {"columns": ("site", "age")}},
        r"data\.columns: 'site'.*not numbers.*one_hot",
    ),
    "corrupt images": (
        _pictures,
        {"broken": (1, 2, 3)},
        r"data\.max_corrupt: 3 of 40 images.*pictures\.parquet:1: not an image",
    ),
    "nothing says whose": (
        _people,
        {"settings": {"client": None}},
        r"data\.client: nothing says.*age, dose, label, site",
    ),
    "no rows": (_people, {"rows": 0}, r"data\.source: 'people\.parquet' has no rows"),
    "more clients than rows": (
        _people,
        {"settings": {"client": None, "partition": PartitionSettings(num_clients=90)}},
        r"data\.partition\.num_clients: 40 examples cannot give 90",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_bad_data_is_one_line_that_names_it(case, tmp_path):
    opener, arguments, message = ERRORS[case]
    with pytest.raises(HeadstartError, match=message) as error:
        opener(tmp_path, **arguments)
    assert "\n" not in str(error.value)


def test_sources_that_are_not_there_or_not_whole(tmp_path):
    write_people(tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "notes.docx").write_bytes(b"")
    cases = {
        "peple.parquet": r"data\.source: 'peple\.parquet' is not there.*did you mean 'people\.parquet'",
        "/nowhere/at/all.csv": r"is not there.*'digits'",
        "broken.parquet": r"cannot read.*broken\.parquet",
        "notes.docx": r"ends in '\.docx'.*\.parquet",
    }
    for source, message in cases.items():
        with pytest.raises(DataError, match=message):
            open_federation(DataSettings(source=source, client="site"), tmp_path)


def test_one_corrupt_image_is_left_out_and_named(tmp_path):
    federation = _pictures(tmp_path, broken=(5,))
    assert len(federation.examples) == 39
    assert "pictures.parquet:5" not in federation.examples.ids
    assert (
        "1 images of 'pictures.parquet' cannot be read and are left out (pictures.parquet:5: not an image)"
        in federation.notes
    )
    assert federation.examples.inputs[5, 0, 0, 0] == 6  # what follows the gap has moved up with its label
    assert federation.examples.labels[5] == 0


def test_more_corrupt_images_may_be_allowed(tmp_path):
    assert len(_pictures(tmp_path, {"max_corrupt": 0.1}, broken=(1, 2, 3)).examples) == 37


def test_missing_values_may_drop_their_row_or_take_the_mean(tmp_path):
    holes = {"age": _holed(map(float, range(40)), at3=None, at5=float("inf"))}
    dropped = _people(tmp_path, {"missing": "drop"}, **holes)
    assert len(dropped.examples) == 38
    assert any(
        "2 of 40 rows of 'people.parquet' are left out" in note and "(rows 3, 5)" in note for note in dropped.notes
    )
    filled = _people(tmp_path, {"missing": "mean"}, **holes)
    assert len(filled.examples) == 40
    assert np.isfinite(filled.examples.inputs).all()


def test_missing_labels_and_clients_may_drop_their_row(tmp_path):
    federation = _people(
        tmp_path,
        {"missing": "drop"},
        label=_holed(["ill", "well"] * 20, at0=None),
        site=_holed(["a", "b"] * 20, at1=None),
    )
    assert len(federation.examples) == 38
    assert federation.examples.ids[0] == "people.parquet:2"


def test_a_client_of_one_class_is_kept_and_noted(tmp_path):
    federation = _people(tmp_path, label=["ill" if i % 2 else "well" for i in range(40)])
    assert len(federation.clients) == 2
    assert "clients with one class only (2 of them): north, south" in federation.notes


def test_labels_become_sorted_class_names(tmp_path):
    assert _people(tmp_path).examples.classes == ("ill", "well")
    assert _people(tmp_path, label=[10, 9, 2, 2] * 10).examples.classes == ("2", "9", "10")
    assert _people(tmp_path, {"classes": ("well", "ill", "dead")}).examples.classes == ("well", "ill", "dead")


def test_rows_are_kept_by_column_and_by_class(tmp_path):
    label = ["ill", "well", "new", "well"] * 10
    federation = _people(
        tmp_path,
        {"where": {"label": ("ill", "well"), "age": tuple(map(str, range(20)))}},
        label=label,
        age=range(40),
    )
    assert federation.examples.classes == ("ill", "well")
    assert len(federation.examples) == 15


def test_at_most_so_many_examples_class_by_class(tmp_path):
    federation = _people(tmp_path, {"max_examples": 20}, label=["ill", "ill", "well", "well"] * 10)
    assert len(federation.examples) == 20
    assert [(len(c.train) + len(c.val) + len(c.test)) for c in federation.clients] == [10, 10]
    assert np.bincount(federation.examples.labels).tolist() == [10, 10]


def test_train_per_client_leaves_val_and_test_alone(tmp_path):
    full, capped = _people(tmp_path), _people(tmp_path, {"train_per_client": 3})
    assert [len(client.train) for client in capped.clients] == [3, 3]
    full_names, capped_names = (
        [[federation.examples.ids[i] for i in (*client.val, *client.test)] for client in federation.clients]
        for federation in (full, capped)
    )
    assert full_names == capped_names


def test_paths_start_at_the_base_and_lead_from_a_csv_to_images(tmp_path):
    (tmp_path / "pictures").mkdir()
    for i in range(8):
        (tmp_path / "pictures" / f"{i}.png").write_bytes(png(i))
    rows = "\n".join(f"pictures/{i}.png,{i % 2},s{i // 4}" for i in range(8))
    (tmp_path / "list.csv").write_text(f"file,label,site\n{rows}\n")
    federation = open_federation(DataSettings(source="list.csv", client="site"), tmp_path)
    assert federation.examples.kind == "image"
    assert federation.examples.inputs[:, 0, 0, 0].tolist() == list(range(8))


def test_an_image_table_can_be_read_as_numbers(tmp_path):
    source = write_pictures(tmp_path, depth=[float(i) for i in range(40)])
    federation = open_federation(DataSettings(source=source, client="site", columns=("depth",)), tmp_path)
    assert federation.examples.kind == "table"


def test_equal_settings_give_equal_federations_and_the_seed_changes_them(tmp_path):
    keys = [_people(tmp_path, {"seed": seed, "held_out_clients": 0.5}).key for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]


def test_a_split_column_with_val_fixes_every_seed(tmp_path):
    fold = ["train", "train", "val", "test"] * 10
    federation = _people(tmp_path, {"split": SplitSettings(column="fold")}, fold=fold)
    assert federation.fixed_val
    assert resplit(federation, 3) is federation
    assert sum(len(client.test) for client in federation.clients) == 10
    unused = _people(tmp_path, {"split": SplitSettings(column="fold")}, fold=["train", "test", None, "not used"] * 10)
    assert len(unused.examples) == 20
    assert "20 of 40 rows of 'people.parquet' are left out: 'fold' names no split" in " ".join(unused.notes)


PARTITIONS = st.builds(
    PartitionSettings,
    method=st.sampled_from(["iid", "dirichlet_clients", "pathological", "shards"]),
    num_clients=st.integers(2, 6),
    alpha=st.sampled_from([0.3, 1.0, 10.0]),
    examples_per_client=st.sampled_from([None, 10]),
    within=st.sampled_from([None, "form"]),
)


@settings(max_examples=12, deadline=None)
@given(
    PARTITIONS,
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([None, 0.2]),
)
def test_whatever_is_asked_no_test_example_is_ever_trained_on(tmp_path_factory, partition, seed, other, held, fraction):
    central = CentralSettings(fraction=fraction) if fraction else None
    asked = DataSettings(
        source="digits",
        partition=partition,
        seed=seed,
        held_out_clients=held,
        central=central,
        max_examples=700,
    )
    federation = open_federation(asked, tmp_path_factory.getbasetemp())
    moved = resplit(federation, other)
    tested = np.concatenate([client.test for client in federation.clients])
    trained = np.concatenate([part for client in moved.clients for part in (client.train, client.val)])
    assert not set(tested) & set(trained)
    assert len(tested) + len(trained) == len(federation.examples)
    if federation.central is not None:
        assert not set(federation.central.ids) & set(federation.examples.ids)


def test_opening_again_reads_the_decoded_images(tmp_path, image_cache_folder):
    changed = 255 - _pictures(tmp_path, rows=500).examples.inputs
    (entry,) = image_cache_folder.iterdir()
    np.save(entry, changed)
    add_checksum(entry, entry.name)
    assert np.array_equal(_pictures(tmp_path, rows=500).examples.inputs, changed)


def test_identifiers_are_learnt_from_only_where_they_are_asked_for(tmp_path):
    numbers = {"patient_id": range(1000, 1040), "Unnamed: 0": range(40)}
    federation = _people(tmp_path, **numbers)
    assert federation.examples.columns == ("age", "dose")
    (note,) = [note for note in federation.notes if "no inputs" in note]
    assert "'patient_id' (whole numbers, all different and in order: an identifier" in note
    assert [one.name for one in federation.account.dropped] == ["patient_id", "Unnamed: 0"]
    assert _people(tmp_path, {"columns": ("age", "patient_id")}, **numbers).examples.columns == ("age", "patient_id")


def test_the_index_that_pandas_writes_is_not_learnt_from(tmp_path):
    rows = "".join(f"{i},{i * 7 % 10},{'ab'[i % 2]},{'xy'[i // 2 % 2]}\n" for i in range(40))
    (tmp_path / "t.csv").write_text(f",age,label,site\n{rows}")
    assert open_federation(DataSettings(source="t.csv", client="site"), tmp_path).examples.columns == ("age",)


def test_an_identifier_is_told_by_all_rows_not_by_those_kept(tmp_path):
    federation = _people(tmp_path, {"where": {"site": "north"}}, nr=range(40))
    assert federation.examples.columns == ("age", "dose")


def test_words_in_rows_that_are_not_kept_do_not_count(tmp_path):
    dose = ["?" if i % 2 else str(i / 4) for i in range(40)]
    assert _people(tmp_path, {"where": {"site": "south"}}, dose=dose).examples.columns == ("age", "dose")


def test_missing_words_are_empty_cells_of_numbers_and_text_elsewhere(tmp_path):
    dose = ["NA", *(str(i / 4) for i in range(39))]
    settings = {"missing_words": ("NA",), "missing": "drop", "client": "land"}
    federation = _people(tmp_path, settings, dose=dose, land=["NA", "DE"] * 20)
    assert [client.id for client in federation.clients] == ["DE", "NA"]
    assert len(federation.examples) == 39


def test_clients_and_classes_of_nearly_one_name_are_told(tmp_path):
    notes = _people(tmp_path, label=["Ill", "ill", "well", "well"] * 10, site=["VA", "va"] * 20).notes
    assert "clients whose names are nearly equal, and may be one (1 of them): 'VA' and 'va'" in notes
    assert "classes whose names are nearly equal, and may be one (1 of them): 'Ill' and 'ill'" in notes


def test_the_formats_settings_hold_for_the_pool_too(tmp_path):
    rows = "".join(f"{i},25;{i % 2};s{i % 3}\n" for i in range(40))
    (tmp_path / "t.csv").write_text(f"age;label;site\n{rows}", encoding="utf-16")
    (tmp_path / "pool.csv").write_text("age;label\n90,5;1\n91,5;0\n", encoding="utf-16-le")
    settings = DataSettings(
        source="t.csv",
        client="site",
        delimiter=";",
        decimal=",",
        encoding="utf-16",
        standardize="none",
        central=CentralSettings(source="pool.csv"),
    )
    federation = open_federation(settings, tmp_path)
    assert federation.central.inputs.tolist() == [[90.5], [91.5]]


@pytest.mark.parametrize("name", ["patient", "note", "tweet"])
@pytest.mark.parametrize(
    "column",
    [
        pa.nulls(40),
        pa.array([{"age": 1}] * 40),
        pa.array([["a", "b"]] * 40),
        pa.array([2**53 + 1 + 7 * i for i in range(40)]),
        pa.array([2**63 + i % 3 for i in range(40)], pa.uint64()),
    ],
    ids=["nothing", "structs", "lists", "beyond 2^53", "beyond 2^63"],
)
def test_columns_of_any_type_are_read_or_left_out(tmp_path, name, column):
    table = {"site": ["a", "b"] * 20, "label": [0, 0, 1, 1] * 10, "x": RNG.normal(size=40), name: column}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    federation = open_federation(DataSettings(source="t.parquet", client="site"), tmp_path)
    assert set(federation.examples.columns) <= {"x", name}
    assert np.isfinite(federation.examples.inputs).all()


def test_where_every_row_has_a_hole_none_is_left(tmp_path):
    holes = [[1.0, None, 2.0] * 12, [None, 1.0, None] * 12]
    table = {"site": ["a", "b"] * 18, "label": [0, 0, 1, 1] * 9, "x": holes[0], "y": holes[1]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"data\.source: no row of 't.parquet' is left, for each lacks an input; fill"):
        open_federation(DataSettings(source="t.parquet", client="site", missing="drop"), tmp_path)
