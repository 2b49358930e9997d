import io

import numpy as np
import pytest
from PIL import Image

from headstart.core.errors import DataError
from headstart.data import DataSettings, PartitionSettings, SplitSettings, open_federation

datasets = pytest.importorskip("datasets")


def _dataset(first: int, rows: int = 8):
    images = [Image.new("L", (8, 8), first + i) for i in range(rows)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    return datasets.Dataset.from_dict({"image": images, "label": [i % 2 for i in range(rows)]}, features=features)


def test_a_saved_dataset(tmp_path):
    _dataset(0).shuffle(seed=1).save_to_disk(tmp_path / "pets")
    settings = DataSettings(source="pets", partition=PartitionSettings(num_clients=2))
    federation = open_federation(settings, tmp_path)
    assert federation.examples.classes == ("cat", "dog")
    shades = federation.examples.inputs[:, 0, 0, 0]
    assert sorted(shades.tolist()) == list(range(8))
    assert (shades % 2 == federation.examples.labels).all()


def test_the_splits_of_a_saved_dictionary_are_a_column(tmp_path):
    datasets.DatasetDict({"train": _dataset(0), "test": _dataset(100)}).save_to_disk(tmp_path / "pets")
    split = SplitSettings(train=0.75, val=0.25, test=0.0, column="split")
    settings = DataSettings(source="pets", partition=PartitionSettings(num_clients=1), split=split)
    federation = open_federation(settings, tmp_path)
    (client,) = federation.clients
    assert federation.examples.inputs[client.test][:, 0, 0, 0].tolist() == list(range(100, 108))


def test_a_hub_name_goes_to_the_library(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *name: asked.append(name) or _dataset(0))
    settings = DataSettings(source="hub:org/pets:small", partition=PartitionSettings(num_clients=2))
    assert len(open_federation(settings, tmp_path).examples) == 8
    assert asked == [("org/pets", "small")]


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise ConnectionError("no network\nlong story")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(DataError, match=r"cannot load 'hub:org/pets' \(no network\).*local Parquet file"):
        open_federation(DataSettings(source="hub:org/pets", client="site"), tmp_path)


def test_a_parquet_file_that_the_library_wrote(tmp_path):
    buffer = io.BytesIO()
    _dataset(0).to_parquet(buffer)
    (tmp_path / "pets.parquet").write_bytes(buffer.getvalue())
    settings = DataSettings(source="pets.parquet", partition=PartitionSettings(num_clients=2))
    federation = open_federation(settings, tmp_path)
    assert (federation.examples.classes, federation.examples.shape) == (("cat", "dog"), (1, 8, 8))


def test_an_official_test_split_that_is_not_used_is_told(tmp_path):
    datasets.DatasetDict({"train": _dataset(0), "test": _dataset(100)}).save_to_disk(tmp_path / "pets")
    settings = DataSettings(source="pets", partition=PartitionSettings(num_clients=2))
    (note,) = [note for note in open_federation(settings, tmp_path).notes if "official split" in note]
    assert "column 'split' says train 8, test 8" in note


def test_labels_of_a_hidden_test_set_are_told_as_such(tmp_path):
    hidden = _dataset(100).map(lambda _: {"label": -1})
    datasets.DatasetDict({"train": _dataset(0), "test": hidden}).save_to_disk(tmp_path / "pets")
    settings = DataSettings(source="pets", partition=PartitionSettings(num_clients=2))
    with pytest.raises(
        DataError, match=r"'label' of 'pets' is hidden \(-1\), as the Hub hides .* in 8 rows.*data\.where"
    ):
        open_federation(settings, tmp_path)
    trained = DataSettings(source="pets", partition=PartitionSettings(num_clients=2), where={"split": "train"})
    assert len(open_federation(trained, tmp_path).examples) == 8


@pytest.mark.parametrize("way", ["save_to_disk", "to_parquet"])
@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 2)])
def test_columns_of_arrays_are_as_many_inputs(tmp_path, way, shape):
    kind = datasets.Array2D(shape, "float32") if len(shape) == 2 else datasets.Array3D(shape, "float32")
    features = datasets.Features({"x": kind, "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = np.arange(8 * np.prod(shape), dtype=np.float32).reshape(8, *shape)
    dataset = datasets.Dataset.from_dict({"x": list(rows), "label": [0, 1] * 4}, features=features)
    name = "arrays.parquet" if way == "to_parquet" else "arrays"
    getattr(dataset, way)(str(tmp_path / name))
    settings = DataSettings(source=name, partition=PartitionSettings(num_clients=2), standardize="none")
    examples = open_federation(settings, tmp_path).examples
    assert np.array_equal(examples.inputs, rows.reshape(8, -1))
    assert examples.columns[0] == f"x[{','.join('0' * len(shape))}]"
    assert examples.classes == ("cat", "dog")
