import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core import files
from headstart.core.errors import SettingError
from headstart.core.files import file_name, read_json, write_names


def test_text_and_json(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "f.json"
    files.write_json(path, {"b": 1, "a": ["é"]})
    assert files.read_json(path) == {"b": 1, "a": ["é"]}
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["b", "a", "checksum"]
    assert path.read_text().index('"b"') < path.read_text().index('"a"'), "keys keep their order"
    files.write_text(path, "é")
    assert path.read_bytes() == "é".encode()
    assert os.listdir(path.parent) == ["f.json"]


def test_not_a_number_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "f.json", float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        files.append_json_line(tmp_path / "f.jsonl", float("inf"))
    assert files.read_json_lines(tmp_path / "f.jsonl") == []
    assert not (tmp_path / "f.json").exists()


def test_a_failed_write_keeps_the_old_content_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    files.write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_atomically(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["f.txt"]


def test_lines_are_appended_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.jsonl"
    assert files.read_json_lines(path) == []
    for value in ({"seed": 0}, [1], "é"):
        files.append_json_line(path, value)
    assert files.read_json_lines(path) == [{"seed": 0}, [1], "é"]


@given(
    torn=st.text(alphabet='{"a": 1é}', max_size=20).filter(lambda text: "\n" not in text),
    lines=st.integers(0, 3),
)
def test_a_torn_last_line_is_dropped_and_the_rest_kept(
    tmp_path_factory: pytest.TempPathFactory, torn: str, lines: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "r.jsonl"
    path.write_text("".join(f'{{"line": {i}}}\n' for i in range(lines)) + torn, encoding="utf-8")
    expected = [{"line": i} for i in range(lines)]
    assert files.read_json_lines(path) == expected
    files.append_json_line(path, {"new": True})
    assert files.read_json_lines(path) == [*expected, {"new": True}]


WRITER = """
import sys
from pathlib import Path
from headstart.core.files import write_text
text = sys.argv[2] * 200_000
print("ready", flush=True)
while True:
    write_text(Path(sys.argv[1]), text)
"""


def test_a_kill_in_the_middle_of_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    files.write_text(path, "old")
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "x"], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05)
        process.kill()
    assert path.read_text() in ("old", "x" * 200_000)


@pytest.mark.parametrize(
    ("capacity", "kept"),
    [(300, {"new", "middle", "old"}), (250, {"new", "middle"}), (100, {"new"}), (99, set()), (0, set())],
)
def test_files_unused_for_longest_go_first(tmp_path: Path, capacity: int, kept: set[str]) -> None:
    for age, name in enumerate(["new", "middle", "old"]):
        path = tmp_path / f"{name}.npy"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "notes.txt").write_bytes(b"x" * 1000)
    files.evict(tmp_path, "*.npy", capacity)
    assert {path.stem for path in tmp_path.iterdir()} == kept | {"notes"}


def test_a_file_that_another_process_deletes_first_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "gone.npy").symlink_to(tmp_path / "deleted")
    files.evict(tmp_path, "*.npy", 0)


@pytest.mark.parametrize("name", ["north", "fedavg-0-0", "VA", "a_b"])
def test_a_plain_name_is_a_files_name(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "a/b",
        "St. Mary's Ward 3/B",
        'a"b',
        "-x",
        ".",
        "..",
        "",
        "Z\u00fcrich",
        "a.pub",
        "x" * 300,
        "\udcff",
    ],
)
def test_a_name_is_never_a_path(name: str) -> None:
    found = file_name(name)
    assert Path(found).name == found
    assert re.fullmatch("[a-z0-9][a-z0-9-]{0,59}", found)


def test_names_that_look_alike_have_files_of_their_own() -> None:
    names = ["a/b", "a b", "a.b", "a-b", "A/b", "a//b"]
    assert len({file_name(name).casefold() for name in names}) == len(names)


def test_a_table_of_names_is_written_where_one_differs(tmp_path: Path) -> None:
    assert write_names(tmp_path, ["north", "south"], "--site") == {"north": "north", "south": "south"}
    assert list(tmp_path.iterdir()) == []
    files = write_names(tmp_path, ["north", "a/b"], "--site")
    assert read_json(tmp_path / "names.json") == {file: name for name, file in files.items()}


def test_names_that_differ_in_capitals_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--site: names must differ in more than capitals, received 'VA' and 'va'"):
        write_names(tmp_path, ["VA", "va"], "--site")


def test_a_link_is_the_same_file_and_a_copy_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    files.link_or_copy(source, tmp_path / "deep" / "link")
    assert (tmp_path / "deep" / "link").samefile(source)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    files.link_or_copy(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"
    assert not (tmp_path / "copy").samefile(source)
