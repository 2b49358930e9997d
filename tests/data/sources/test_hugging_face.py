import io

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
