"""The files that a try on one machine writes hold what the study's clients hold."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from data.makers import write_pictures
from headstart.core.errors import SettingError
from headstart.data import DataSettings, SplitSettings, open_federation
from headstart.data.federation import Federation, Split
from headstart.data.open import open_client
from headstart.data.sources import open_source
from headstart.sites.flower.local import write_site_files
from headstart.sites.site import Site
from headstart.study.written.load import StudyFile, load_study


@pytest.fixture
def federation(file: StudyFile) -> Federation:
    return open_federation(file.data, file.folder)


def test_a_site_reads_what_its_client_has(file: StudyFile, federation: Federation, tmp_path: Path) -> None:
    data = write_site_files(federation, file.data, tmp_path / "files", 2)
    first = federation.seen_clients[0]
    assert list(data) == [first.id, federation.seen_clients[1].id]
    read = Site(first.id, data[first.id], tmp_path / "state").read(file.data)
    rows = np.sort(np.concatenate([first.train, first.val, first.test]))
    np.testing.assert_array_equal(read.examples.inputs, federation.examples.inputs[rows])
    np.testing.assert_array_equal(read.examples.labels, federation.examples.labels[rows])


TABLE = """
name  = "wards"
seeds = [0]
[data]
source = "in.csv"
client = "site"
one_hot = ["ward"]
missing = "mean"
standardize = "pooled"
[model]
backbone = "linear"
[decision]
baseline = "ridge"
[arms.ridge]
start = "random"
federate = "ridge"
"""
NAMES = ("St. Mary's Ward 3/B", "../outside", 'a"b', "-x", ".", "Zürich Süd")


@pytest.fixture
def named(tmp_path: Path) -> StudyFile:
    """A table whose clients have names that are no file names, with holes and categories."""
    rows = [
        f'"{name.replace(chr(34), chr(34) * 2)}",{n % 2},{n * n % 7 or ""},{"icu" if n % 3 else "er"}'
        for name in NAMES
        for n in range(20)
    ]
    (tmp_path / "in.csv").write_text("\n".join(["site,label,dose,ward", *rows]) + "\n")
    (tmp_path / "study.toml").write_text(TABLE)
    return load_study(tmp_path / "study.toml")


@pytest.mark.parametrize("split", [SplitSettings(group="recording"), SplitSettings(time="taken")])
def test_pictures_take_their_groups_and_times_along(split: SplitSettings, tmp_path: Path) -> None:
    days = [f"2021-03-{1 + row * 7 % 31:02}" for row in range(80)]
    write_pictures(tmp_path, 80, recording=[f"r{row // 4}" for row in range(80)], taken=days)
    settings = DataSettings(source="pictures.parquet", client="site", split=split)
    whole = open_federation(settings, tmp_path)
    paths = write_site_files(whole, settings, tmp_path / "sites", 2, tmp_path)
    for client in whole.clients:
        site = open_client(open_source(str(paths[client.id]), tmp_path), settings, client.id)
        for part in get_args(Split):
            own, its = site.clients[0].indices(part), client.indices(part)
            assert np.array_equal(site.examples.inputs[own], whole.examples.inputs[its])


def _write(file: StudyFile, folder: Path, count: int = len(NAMES)) -> dict[str, Path]:
    return write_site_files(open_federation(file.data, file.folder), file.data, folder, count, file.folder)


def test_nothing_is_written_outside_the_folder(named: StudyFile, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    data = _write(named, tmp_path / "o" / "sites")
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert set(data) == set(NAMES)
    assert written == {*data.values(), tmp_path / "o" / "sites" / "names.json"}
    assert {path.parent for path in written} == {tmp_path / "o" / "sites"}


def test_a_table_of_names_says_whose_a_file_is(named: StudyFile, tmp_path: Path) -> None:
    data = _write(named, tmp_path / "sites")
    told = json.loads((tmp_path / "sites" / "names.json").read_text())
    assert told == {path.stem: name for name, path in data.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_client_of_any_name_reads_its_rows_as_they_were(name: str, named: StudyFile, tmp_path: Path) -> None:
    """Categories are written as words and holes as holes: what fills and scales them is agreed in the federation."""
    read = Site(name, _write(named, tmp_path / "sites")[name], tmp_path / "state", one_hot=("ward",)).read(named.data)
    assert len(read.examples) == 20
    assert read.examples.columns == ("dose", "ward=icu")
    assert np.isnan(read.examples.inputs[:, 0]).any()


def test_names_that_differ_in_capitals_alone_are_refused(named: StudyFile, tmp_path: Path) -> None:
    text = named.folder.joinpath("in.csv").read_text().replace("-x", "VA").replace("Zürich Süd", "va")
    named.folder.joinpath("in.csv").write_text(text)
    with pytest.raises(SettingError, match=r"data\.client: names must differ in more than capitals, received 'VA' and"):
        _write(named, tmp_path / "sites")


@pytest.mark.parametrize("count", [0, 5])
def test_no_more_clients_than_the_study_has(
    count: int, file: StudyFile, federation: Federation, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=f"--local: must be from 1 to the study's 4 seen clients, received {count}"):
        write_site_files(federation, file.data, tmp_path / "files", count)
