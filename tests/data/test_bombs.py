"""Small files that stand for very much: each is refused in one line before it fills the memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from headstart.core.errors import DataError
from headstart.data.images import decode_images
from headstart.data.sources import Source, open_source

MB = 2**20


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that may take 64 MB for a source."""
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "0.064")


def opened(path: Path) -> Source:
    return open_source(path.name, path.parent)


def refused(path: Path, words: str = "may take at most 0.064 GB of memory here") -> None:
    """Check that a file is refused in one line, and that this process has not grown for it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError) as error:
        opened(path)
    line = str(error.value)
    assert line.startswith("data.source: ")
    assert words in line
    assert "\n" not in line
    assert len(line) < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.json.gz", "t.csv"])
def test_a_packed_table_is_unpacked_as_far_as_it_fits(tmp_path: Path, name: str) -> None:
    with gzip.open(tmp_path / name, "wb") as file:
        file.write(b"a,b\n")
        for _ in range(200):
            file.write(bytes(MB))
    assert (tmp_path / name).stat().st_size < MB
    refused(tmp_path / name)


@pytest.mark.parametrize(
    "raw",
    [gzip.compress(b"a,b\n1,2", mtime=0)[:-9], gzip.compress(b"a", mtime=0)[:12], b"\x1f\x8b" + bytes(40)],
    ids=["its end", "its middle", "all but its name"],
)
def test_a_packed_table_that_is_cut_is_one_line(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "t.csv.gz").write_bytes(raw)
    refused(tmp_path / "t.csv.gz", "cannot unpack 't.csv.gz'")


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_a_table_longer_than_the_memory_is_not_read(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(2**40)
    refused(tmp_path / name)


@pytest.mark.parametrize("text", ["x" * 200_000 + "\n1", '"' + "x" * 200_000 + '",b\n1,2', '"' + "x," * 100_000])
def test_a_table_of_one_huge_field_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    refused(tmp_path / "t.csv", "cannot read")


JSON = {
    "lists in lists": "[" * 200_000,
    "objects in objects": '{"a":' * 200_000,
    "lists in a line": '{"a": 1}\n' + "[" * 200_000,
    "a number of many digits": '[{"a": ' + "1" * 10_000 + "}]",
    "half a pair": '[{"a": "\\ud800"}]',
    "half a pair among numbers": '[{"a": 1}, {"a": "\\ud800"}]',
    "not finished": '[{"a": 1}',
}


@pytest.mark.parametrize("text", JSON.values(), ids=JSON.keys())
@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_json_too_deep_or_odd_is_one_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    refused(tmp_path / name, "'" + name + "'")


def test_json_of_a_column_for_each_row_is_not_made_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps([{f"x{row}": 1} for row in range(5_000)]))
    refused(tmp_path / "t.json")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes, pixels: int = 10_000) -> bytes:
    """Make a grey PNG that says so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = _chunk(b"IDAT", zlib.compress(bytes(pixels)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(more) + body + _chunk(b"IEND", b"")


def other(kind: str, size: tuple[int, int], mode: str = "1", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def frames(kind: str) -> bytes:
    file = io.BytesIO()
    some = [Image.new("L", (3000, 3000), grey) for grey in range(3)]
    some[0].save(file, kind, save_all=True, append_images=some[1:])
    return file.getvalue()


FEW = png(8, 8, pixels=72)
MANY: dict[str, Callable[[], bytes]] = {
    "png": lambda: png(40_000, 40_000),
    "png of one long row": lambda: png(2**31 - 1, 1),
    "gif": lambda: b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(3) + b"\x2c" + bytes(20),
    "frames of a gif": lambda: frames("GIF"),
    "frames of a tiff": lambda: frames("TIFF"),
    "tiff": lambda: other("TIFF", (8000, 8000), compression="group4"),
    "bmp": lambda: b"BM" + bytes(12) + struct.pack("<IiiHHII", 40, 60_000, 60_000, 1, 1, 0, 0) + bytes(64),
    "jpeg": lambda: other("JPEG", (8000, 8000), "L"),
    "webp": lambda: other("WEBP", (8000, 8000), "RGB"),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
    "ppm": lambda: b"P5 60000 60000 255\n" + bytes(100),
    "text of a png": lambda: png(8, 8, _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100 * MB))), pixels=72),
    "profile of a png": lambda: png(8, 8, _chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100 * MB))), pixels=72),
}


@pytest.mark.parametrize("make", MANY.values(), ids=MANY.keys())
def test_a_picture_of_very_many_pixels_is_left_out_undecoded(make: Callable[[], bytes]) -> None:
    raw = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = decode_images([FEW, raw, FEW], (8, 8), 1)
    # The text and the profile of a picture are passed over, if the picture itself is whole.
    assert found.readable.tolist() in ([0, 2], [0, 1, 2])
    assert all("\n" not in reason and len(reason) < 300 for reason in found.errors.values())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 * 1024


@pytest.mark.parametrize("kind", ["png", "gif", "tiff", "jpeg", "webp", "bmp", "frames of a gif"])
def test_the_reason_says_how_many_pixels_there_may_be(kind: str) -> None:
    found = decode_images([FEW, MANY[kind]()], (8, 8), 1)
    assert "may have at most 2,000,000 pixels here" in found.errors[1] or "decompression bomb" in found.errors[1]


def test_an_honest_large_picture_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "8")
    assert decode_images([other("JPEG", (8000, 6000), "RGB")], (8, 8), 3).errors == {}


def test_pictures_that_are_too_many_at_their_size_are_not_decoded() -> None:
    with pytest.raises(DataError, match=r"^data\.image_size: 3 pictures of 9000 x 9000 pixels may take at most"):
        decode_images([FEW] * 3, (9000, 9000), 1)


def test_a_picture_that_is_a_pipe_or_a_terabyte_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "few.png").write_bytes(FEW)
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "long.png").open("wb") as file:
        file.write(FEW)
        file.truncate(2**40)
    found = decode_images([tmp_path / name for name in ("few.png", "pipe.png", "long.png", "none.png")], (8, 8), 1)
    assert found.readable.tolist() == [0]
    reasons = ["file not found", "its file has 1,099,511,627,776 bytes, more than may be read here", "file not found"]
    assert list(found.errors.values()) == reasons
