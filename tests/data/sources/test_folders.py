import pytest

from data.makers import png
from headstart.core.errors import DataError
from headstart.data import DataSettings, PartitionSettings, SplitSettings, open_federation
from headstart.data.sources import open_source


def _fill(folder, *paths):
    for i, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(png(i))


def test_class_folders(tmp_path):
    _fill(tmp_path / "pets", *(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(6)))
    _fill(tmp_path / "pets", ".cache/x.png", "cat/.hidden.png")
    (tmp_path / "pets" / "cat" / "readme.txt").write_text("no picture")
    settings = DataSettings(source="pets", partition=PartitionSettings(num_clients=2))
    federation = open_federation(settings, tmp_path)
    assert federation.examples.classes == ("cat", "dog")
    assert list(federation.examples.ids)[:2] == ["cat/0.png", "cat/1.png"]
    assert len(federation.examples) == 12


def test_client_folders(tmp_path):
    _fill(
        tmp_path / "sites",
        *(f"{site}/{name}/{i}.png" for site in ("a", "b") for name in ("x", "y") for i in range(4)),
    )
    (tmp_path / "sites" / "empty").mkdir()
    federation = open_federation(DataSettings(source="sites"), tmp_path)
    assert [client.id for client in federation.clients] == ["a", "b"]
    assert "1 client folders hold no image and are left out: empty" in federation.notes


def test_outer_folders_named_after_splits_are_splits(tmp_path):
    _fill(
        tmp_path,
        *(f"{split}/{name}/{i}.png" for split in ("train", "Test") for name in ("x", "y") for i in range(4)),
    )
    split = SplitSettings(train=0.75, val=0.25, test=0.0, column="split")
    federation = open_federation(
        DataSettings(source=".", partition=PartitionSettings(num_clients=1), split=split), tmp_path
    )
    (client,) = federation.clients
    assert (len(client.train), len(client.val), len(client.test)) == (6, 2, 8)
    assert all(federation.examples.ids[i].startswith("Test/") for i in client.test)


@pytest.mark.parametrize("paths", [("a.csv", "b.csv"), ("train/one.json",), ("x/y/t.TSV", "readme.md")])
def test_a_folder_of_tables_is_told_as_such(tmp_path, paths):
    _fill(tmp_path, *paths)
    with pytest.raises(DataError, match=r"holds \d tables, such as '.*', and only Parquet files.*join them"):
        open_source(".", tmp_path)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ((), "no image at all"),
        (("a.png",), r"images at depths 1 \(such as 'a\.png'\)"),
        (("x/a.png", "s/x/a.png"), "images at depths 2, 3"),
    ],
)
def test_other_folders_are_refused(tmp_path, paths, found):
    _fill(tmp_path, *paths)
    with pytest.raises(DataError, match=rf"class/file or client/class/file, found {found}"):
        open_source(".", tmp_path)
