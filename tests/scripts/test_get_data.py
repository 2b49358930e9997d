"""The script that builds the presets' files, offline: against stand-ins of its sources."""

from __future__ import annotations

import csv
import io
import os
import re
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import get_data
import preset_files
from headstart.data import DataSettings, PartitionSettings, open_federation
from preset_files import RECIPES, Recipe, Row

STUDIES = Path(get_data.__file__).parents[1] / "studies"
PICTURES = [f"train/{name}/{i:04}.jpg" for name in preset_files.CIFAR_CLASSES for i in range(2)]


def _put(mirror: Path, address: str, content: bytes) -> None:
    path = mirror / address
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"CIFAR-10-images-master/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _zip(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _heart_line(row: Row) -> str:
    values = (row[column] for column in preset_files.HEART_COLUMNS)
    return ",".join("?" if value is None else f"{value:g}" for value in values)


def _put_heart(mirror: Path, rows: list[Row]) -> None:
    names = preset_files.HOSPITALS
    parts = {name: "\n".join(_heart_line(row) for row in rows if row["hospital"] == name) + "\n" for name in names}
    _put(mirror, preset_files.HEART, _zip({f"processed.{name}.data": text for name, text in parts.items()}))


def _put_medical(mirror: Path, rows: list[Row]) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["condition_label", "medical_abstract"])
    table.writerows((row["label"] + 1, row["text"]) for row in rows)
    _put(mirror, preset_files.MEDICAL, text.getvalue().encode())


def _put_reviews(mirror: Path, rows: list[Row]) -> None:
    for domain in preset_files.DOMAINS:
        for split in ("train", "test"):
            own = [row for row in rows if (row["domain"], row["split"]) == (domain, split)]
            text = "".join(f"{row['label']}\t{row['text']}\n" for row in own)
            _put(mirror, f"{preset_files.REVIEWS}/{domain}.task.{split}", text.encode())


def _put_cifar(mirror: Path, rows: list[Row]) -> None:
    pictures = {row["img"]["path"]: row["img"]["bytes"] for row in rows}
    _put(mirror, preset_files.CIFAR, _tar({"README.md": b"", **pictures, "test/cat/0000.jpg": b"other"}))


def _sick(hospital: str, i: int) -> Row:
    values = {column: float(i) for column in preset_files.HEART_COLUMNS} | {"num": float(i % 3), "ca": None}
    return {"hospital": hospital, **values}


def _medical_rows() -> list[Row]:
    return [{"text": f'A "study",\nof {i}. ', "label": i % 5} for i in range(9)]


def _review_rows() -> list[Row]:
    return [
        {"text": f"{domain} {i} é", "label": i % 2, "domain": domain, "split": split}
        for domain in preset_files.DOMAINS
        for split in ("test", "train")
        for i in range(2)
    ]


def _heart_rows() -> list[Row]:
    return [_sick(name, i) for name in preset_files.HOSPITALS for i in range(12)]


def _cifar_rows() -> list[Row]:
    return [{"img": {"bytes": path.encode(), "path": path}, "label": 0} for path in PICTURES]


STANDINS: dict[str, tuple[Callable[[], list[Row]], Callable[[Path, list[Row]], None]]] = {
    "images/cifar10_train.parquet": (_cifar_rows, _put_cifar),
    "images/cats_dogs_cifar10_train.parquet": (_cifar_rows, _put_cifar),
    "tabular/heart_disease_4hospitals.parquet": (_heart_rows, _put_heart),
    "text/medical_abstracts_test.parquet": (_medical_rows, _put_medical),
    "text/reviews_16domains.parquet": (_review_rows, _put_reviews),
}
"""What a small source holds, and what writes it."""


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder with a small stand-in of every source."""
    folder = tmp_path / "mirror"
    for make, put in STANDINS.values():
        put(folder, make())
    return folder


@pytest.fixture
def address(mirror: Path) -> Iterator[str]:
    """The same, served on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(mirror))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _of_standin(name: str, mirror: Path) -> Recipe:
    """The recipe, told what the stand-in's rows should be."""
    recipe = RECIPES[name]
    assert recipe.build is not None
    rows = list(recipe.build(get_data.fetcher(mirror.as_uri())))
    return replace(recipe, rows=len(rows), digest=get_data.digest(rows))


def test_every_file_of_a_preset_has_a_recipe() -> None:
    text = "".join(path.read_text() for path in STUDIES.glob("*.toml"))
    assert set(re.findall(r'"\$HEADSTART_DATA/([^"]+)"', text)) == set(RECIPES)
    assert set(re.findall(r'"\$HEADSTART_WEIGHTS/([^"]+)"', text)) == set(preset_files.CHECKPOINTS)


@pytest.mark.parametrize("name", STANDINS)
def test_a_file_is_built_from_a_server_and_found_again(name: str, mirror: Path, address: str, tmp_path: Path) -> None:
    recipe, path = _of_standin(name, mirror), tmp_path / "out" / name
    assert get_data.build(path, recipe, get_data.fetcher(address)) == ""
    assert get_data.check(path, recipe) == ""
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", STANDINS)
def test_another_source_is_refused_and_nothing_written(name: str, mirror: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / name
    wrong = get_data.build(path, RECIPES[name], get_data.fetcher(mirror.as_uri()))
    assert re.search(rf"has \d+ rows, not {RECIPES[name].rows}: it has changed, and nothing was written", wrong)
    assert not path.parent.exists()


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    name = "text/medical_abstracts_test.parquet"
    wrong = get_data.build(tmp_path / name, RECIPES[name], get_data.fetcher((tmp_path / "nowhere").as_uri()))
    assert wrong.startswith("its source cannot be read (URLError")
    assert preset_files.MEDICAL in wrong


@pytest.mark.parametrize("change", [{"label": 4}, {"text": "another"}])
def test_a_row_that_differs_is_noticed(change: Row) -> None:
    rows = _medical_rows()
    recipe = Recipe(len(rows), get_data.digest(rows), "a test")
    assert get_data.compare(rows, recipe) == ""
    assert "other content or order" in get_data.compare([{**rows[0], **change}, *rows[1:]], recipe)
    assert "other content or order" in get_data.compare(rows[::-1], recipe)


def test_heart_keeps_every_row_and_splits_the_complete_ones(mirror: Path) -> None:
    rows = preset_files.heart(get_data.fetcher(mirror.as_uri()))
    assert [(row["hospital"], row["age"]) for row in rows] == [(row["hospital"], row["age"]) for row in _heart_rows()]
    assert [row["label"] for row in rows[:6]] == [0, 1, 1, 0, 1, 1]
    assert sorted(row["flamby_split"] for row in rows[:12]) == ["test"] * 5 + ["train"] * 7


def test_a_built_file_opens_as_a_federation_with_names(mirror: Path, tmp_path: Path) -> None:
    name = "text/medical_abstracts_test.parquet"
    get_data.build(tmp_path / name, _of_standin(name, mirror), get_data.fetcher(mirror.as_uri()))
    partition = PartitionSettings(num_clients=1)
    federation = open_federation(DataSettings(source=name, text="text", partition=partition), tmp_path)
    assert set(federation.examples.classes) == set(preset_files.CONDITIONS)


def test_without_a_folder_sources_that_were_not_tried_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert get_data.main([]) == 0
    said = capsys.readouterr().out
    assert said.count("could not be tried") == len(STANDINS)
    assert said.count("only checked") == len(RECIPES) - len(STANDINS)


def test_what_is_missing_and_cannot_be_built_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert get_data.main([str(tmp_path), "--only", "images/cats_dogs_sites.parquet"]) == 1
    assert "cannot be built here: photographs of Kaggle's" in capsys.readouterr().out


def test_a_broken_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cats_dogs_sites.parquet").write_bytes(b"no table")
    assert get_data.main([str(tmp_path), "--only", "images/cats_dogs_sites.parquet"]) == 1
    assert "cats_dogs_sites.parquet: cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize("name", STANDINS)
def test_the_real_rows_come_from_a_source_of_the_real_form(name: str, tmp_path: Path) -> None:
    """The stand-in holds the real rows, in the form of the source; what is built must be the preset's file."""
    if "HEADSTART_DATA" not in os.environ:
        pytest.skip("HEADSTART_DATA is unset: no folder of the presets' files")
    whole = "images/cifar10_train.parquet" if name.startswith("images") else name
    rows = get_data.rows_of(Path(os.environ["HEADSTART_DATA"]) / whole)
    STANDINS[name][1](tmp_path, _in_the_sources_order(rows) if name.startswith("text/reviews") else rows)
    assert get_data.build(tmp_path / "built.parquet", RECIPES[name], get_data.fetcher(tmp_path.as_uri())) == ""


def _in_the_sources_order(rows: list[Row]) -> list[Row]:
    places = preset_files.shuffled(list(range(len(rows))))
    return [row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0])]
