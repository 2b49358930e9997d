import numpy as np
import pyarrow as pa
import pytest

from data.makers import png, write_people, write_pictures, write_table
from headstart.core.errors import DataError
from headstart.data import CentralSettings, DataSettings, open_federation


def _open(folder, central: CentralSettings, **changes):
    settings = {"source": "pictures.parquet", "client": "site", "central": central}
    return open_federation(DataSettings(**{**settings, **changes}), folder)


def _shades(values, labels, **columns):
    cells = [{"bytes": png(value), "path": None} for value in values]
    return {"image": cells, "label": labels, **columns}


def test_a_share_of_the_source_leaves_the_clients(tmp_path):
    write_pictures(tmp_path)
    federation = _open(tmp_path, CentralSettings(fraction=0.25))
    assert (len(federation.central), len(federation.examples)) == (10, 30)
    assert not set(federation.central.ids) & set(federation.examples.ids)
    assert np.bincount(federation.central.labels).tolist() == [5, 5]
    assert federation.central.classes == federation.examples.classes


def test_a_share_can_be_of_one_class(tmp_path):
    write_pictures(tmp_path)
    federation = _open(tmp_path, CentralSettings(fraction=0.5, exclude=("0",), max_examples=4))
    assert federation.central.labels.tolist() == [1] * 4
    assert len(federation.examples) == 36


def test_the_same_file_gives_no_example_twice(tmp_path):
    write_pictures(tmp_path)
    central = CentralSettings(source="pictures.parquet", where={"site": "s0"})
    federation = _open(tmp_path, central, where={"site": "s1"})
    assert len(federation.central) == len(federation.examples) == 20
    with pytest.raises(DataError, match=r"data\.central: all 40 examples of the pool are also a client's"):
        _open(tmp_path, CentralSettings(source="pictures.parquet"))


def test_equal_pictures_in_another_file_are_left_out_of_the_pool(tmp_path):
    write_pictures(tmp_path)
    write_table(tmp_path / "pool.parquet", **_shades([3, 100, 101], [1, 0, 1]))
    federation = _open(tmp_path, CentralSettings(source="pool.parquet"))
    assert len(federation.central) == 2
    assert "central pool: 1 of 3 examples are also a client's" in " ".join(federation.notes)


def test_equal_names_are_left_out_where_both_files_name_their_rows(tmp_path):
    write_pictures(tmp_path, name=[f"p{i}" for i in range(40)])
    write_table(tmp_path / "pool.parquet", **_shades([100, 101, 102], [1, 0, 1], code=["p7", "x", "y"]))
    federation = _open(tmp_path, CentralSettings(source="pool.parquet", id="code"), id="name")
    assert list(federation.central.ids) == ["x", "y"]
    assert len(_open(tmp_path, CentralSettings(source="pool.parquet")).central) == 3


def test_other_classes_stay_the_pools_own_and_known_ones_keep_the_clients_indices(tmp_path):
    write_pictures(tmp_path, label=["cat", "dog"] * 20)
    write_table(tmp_path / "pool.parquet", **_shades([100, 101, 102, 103], ["dog", "cow", "ant", "cat"]))
    every = _open(tmp_path, CentralSettings(source="pool.parquet")).central
    assert every.classes == ("ant", "cat", "cow", "dog")
    others = _open(tmp_path, CentralSettings(source="pool.parquet", exclude=("cat", "dog"))).central
    assert others.classes == ("ant", "cow")
    assert others.labels.tolist() == [1, 0]
    known = _open(tmp_path, CentralSettings(source="pool.parquet", keep=("dog",))).central
    assert (known.classes, known.labels.tolist()) == (("cat", "dog"), [1])


def test_classes_that_only_clients_held_are_no_classes_of_the_pool(tmp_path):
    write_pictures(tmp_path, label=["cat", "dog"] * 20)
    write_table(tmp_path / "pool.parquet", **_shades([0, 100, 101, 102], ["cat", "cow", "ant", None]))
    pool = _open(tmp_path, CentralSettings(source="pool.parquet")).central
    assert (pool.classes, pool.labels.tolist()) == (("ant", "cow"), [1, 0, -1])


def test_a_class_that_is_not_there_is_named(tmp_path):
    write_pictures(tmp_path)
    write_table(tmp_path / "pool.parquet", **_shades([100, 101], ["dog", "cow"]))
    with pytest.raises(DataError, match=r"data\.central: there is no class 'dgo'; did you mean 'dog'"):
        _open(tmp_path, CentralSettings(source="pool.parquet", exclude=("dgo",)))


def test_rows_without_a_label_and_pools_without_labels(tmp_path):
    write_pictures(tmp_path, label=["cat", "dog"] * 20)
    write_table(tmp_path / "pool.parquet", **_shades([100, 101, 102], ["dog", None, "cat"]))
    assert _open(tmp_path, CentralSettings(source="pool.parquet")).central.labels.tolist() == [1, -1, 0]
    unlabelled = _open(tmp_path, CentralSettings(source="pool.parquet", unlabelled=True)).central
    assert unlabelled.labels.tolist() == [-1] * 3


def test_the_pool_takes_the_clients_size_and_channels(tmp_path):
    write_pictures(tmp_path)
    cells = [{"bytes": png(100 + i, size=(30, 20), mode="RGB"), "path": None} for i in range(4)]
    write_table(tmp_path / "pool.parquet", image=cells, label=[0, 1, 0, 1])
    assert _open(tmp_path, CentralSettings(source="pool.parquet")).central.shape == (1, 8, 8)


def test_a_table_pool_has_the_clients_columns_and_scale(tmp_path):
    write_people(tmp_path, kind=["a", "b"] * 20)
    columns = {
        "dose": [1.0, 2.0, 3.0],
        "age": [10, 20, 30],
        "kind": ["b", "a", "c"],
        "label": ["ill"] * 2 + ["well"],
    }
    write_table(tmp_path / "pool.parquet", **columns)
    central = CentralSettings(source="pool.parquet")
    settings = {"source": "people.parquet", "one_hot": ("kind",)}
    federation = _open(tmp_path, central, **settings, standardize="none")
    assert federation.central.columns == federation.examples.columns == ("age", "dose", "kind=b")
    assert federation.central.inputs.tolist() == [[10, 1, 1], [20, 2, 0], [30, 3, 0]]
    (unknown,) = federation.account.central.converted
    assert unknown.what == "cells of 'kind' in categories that no seen client has outside test ('c')"
    assert (unknown.count, unknown.how) == (1, "as 'a', the first of the clients'")
    scaled = _open(tmp_path, central, **settings, standardize="client").central
    assert np.allclose(scaled.inputs.mean(0), 0, atol=1e-6)


def test_a_pool_of_another_kind_is_refused(tmp_path):
    write_people(tmp_path)
    write_pictures(tmp_path)
    with pytest.raises(DataError, match=r"data\.central"):
        _open(tmp_path, CentralSettings(source="people.parquet", label="label"))


def test_a_table_pool_without_a_column_is_refused(tmp_path):
    write_people(tmp_path)
    write_table(tmp_path / "pool.parquet", age=[1.0, 2.0], label=pa.array(["ill", "well"]))
    with pytest.raises(DataError, match="has no column 'dose'"):
        _open(tmp_path, CentralSettings(source="pool.parquet"), source="people.parquet")
