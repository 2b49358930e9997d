"""What a stranger may try with the files of a bundle or of examples: each attempt is refused in one line."""

import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handmade import SIDE, make_bundle, seal, write_data
from headstart_edge import EdgeError, cli, evaluate, open_bundle, open_data, tensors


@pytest.mark.parametrize("name", ["manifest.json", "settings.json", "backbone.onnx", "state", "more.txt"])
def test_a_link_in_a_bundle_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "outside"
    if (bundle / name).exists():
        (bundle / name).rename(target)
    (bundle / name).symlink_to(target)
    with pytest.raises(EdgeError, match=rf"^{name}: must be a file of the bundle, received a link; refused"):
        open_bundle(bundle)


def test_a_pipe_in_the_place_of_a_file_is_refused(bundle: Path) -> None:
    (bundle / "settings.json").unlink()
    os.mkfifo(bundle / "settings.json")
    with pytest.raises(EdgeError, match=r"^settings\.json: must be a file of the bundle"):
        open_bundle(bundle)


def test_a_file_that_the_manifest_does_not_know_is_not_read(bundle: Path) -> None:
    (bundle / "weights.bin").write_bytes(b"x")
    with pytest.raises(EdgeError, match="may list only"):
        open_bundle(seal(bundle))


def test_tensors_that_share_bytes_are_refused() -> None:
    entry = {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}
    header = json.dumps({f"t{i}": entry for i in range(1000)}).encode()
    with pytest.raises(EdgeError, match="4000000 bytes of tensors in 4000"):
        tensors.read(struct.pack("<Q", len(header)) + header + bytes(4000), "head.safetensors")


@pytest.mark.parametrize("shape", [[2**32, 2**32], [2**62, 4], [10**30]])
def test_a_shape_that_overflows_is_refused(shape: list[int]) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    with pytest.raises(EdgeError, match=r"must be a whole safetensors file"):
        tensors.read(struct.pack("<Q", len(header)) + header, "head.safetensors")


def _png(width: int, height: int) -> bytes:
    """Make a PNG that says so many pixels, all of them black, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(min(width * height, 10**7)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (40_000, 40_000), (2**31 - 1, 1)])
def test_a_picture_of_very_many_pixels_is_not_decoded(bundle: Path, tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.png").write_bytes(_png(width, height))
    opened = open_bundle(bundle)
    with pytest.raises(EdgeError, match=r"^a\.png: must be a picture"):
        evaluate(opened, open_data(tmp_path / "data", opened))


def test_postscript_called_a_picture_starts_no_program(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\nshowpage\n")
    opened = open_bundle(bundle)
    with pytest.raises(
        EdgeError, match=r"^a\.png: must be a picture, received a file that cannot be read \(no picture"
    ):
        evaluate(opened, open_data(tmp_path / "data", opened))


def _npy(shape: str, dtype: str = "|u1") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros((2000, 2000)))
    return file.getvalue()


@pytest.mark.parametrize("name", ["cat/a.npy", "inputs.npy"])
@pytest.mark.parametrize(
    "raw",
    [
        *(_npy("(1000000000000,)"), _npy("(4294967296, 4294967296)"), _npy("(-1,)"), _npy("(1" * 90 + ",)")),
        *(_npy("(4, 4)", "|O"), _npz(), b"\x93NUMPY\x09\x00", b""),
    ],
    ids=["terabytes", "overflow", "negative", "deep", "objects", "zip", "version", "empty"],
)
def test_an_array_that_lies_is_not_read(bundle: Path, tmp_path: Path, raw: bytes, name: str) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    opened = open_bundle(bundle)
    with pytest.raises(EdgeError, match=r"must be an array that NumPy saved") as error:
        evaluate(opened, open_data(tmp_path / "data", opened))
    assert "\n" not in str(error.value)


def test_nothing_in_a_name_commands_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    said = json.loads((bundle / "settings.json").read_text())
    said["labels"] = ["cat\x1b[2J", "dog\x1b]0;gone\x07", "bird\u202e"]
    (bundle / "settings.json").write_text(json.dumps(said))
    seal(bundle)
    write_data(tmp_path / "data", 9)
    folder = tmp_path / "pictures" / "x\x1b[31m"
    folder.mkdir(parents=True)
    np.save(folder / "a.npy", np.zeros((SIDE, SIDE), np.uint8))
    commands: list[Callable[[], int]] = [
        lambda: cli.main(["info", str(bundle)]),
        lambda: cli.main(["predict", str(bundle), str(tmp_path / "data")]),
        lambda: cli.main(["predict", str(bundle), str(tmp_path / "pictures")]),
        lambda: cli.main(["info", str(tmp_path / "no\x1b[2J")]),
    ]
    assert [command() for command in commands] == [0, 0, 2, 2]
    told = "".join(capsys.readouterr())
    assert not {"\x1b", "\x07", "\u202e"} & set(told)
    assert "cat\ufffd[2J\t" in told
