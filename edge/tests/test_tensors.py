import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart_edge import EdgeError, tensors

CONTENT = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "empty": np.zeros((0, 4)),
    "one": np.array(7, dtype=np.int64),
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    tensors.write(tmp_path / "new" / "x.safetensors", CONTENT, {"examples": "48"})
    found, facts = tensors.read((tmp_path / "new" / "x.safetensors").read_bytes(), "x.safetensors")
    assert facts == {"examples": "48"}
    assert {name: (value.dtype, value.tolist()) for name, value in found.items()} == {
        name: (value.dtype, value.tolist()) for name, value in CONTENT.items()
    }


def test_the_format_is_that_of_the_safetensors_library(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    tensors.write(tmp_path / "ours", CONTENT, {})
    library.save_file(CONTENT, tmp_path / "theirs")
    theirs, ours = library.load_file(tmp_path / "ours"), tensors.read((tmp_path / "theirs").read_bytes(), "theirs")[0]
    assert {name: value.tolist() for name, value in theirs.items()} == {n: v.tolist() for n, v in ours.items()}


def _file(header: Any, data: bytes = bytes(8), length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


BROKEN = {
    "nothing": b"",
    "a header longer than the file": _file({}, length=2**40),
    "no JSON": struct.pack("<Q", 3) + b"{{{",
    "no object": _file([1, 2]),
    "an unknown type": _file(_entry(dtype="F16")),
    "a shape of another size": _file(_entry(shape=[3])),
    "a negative shape": _file(_entry(shape=[-1, -2])),
    "an end after the file's": _file(_entry(data_offsets=[0, 16], shape=[4])),
    "an end before the beginning": _file(_entry(data_offsets=[8, 0])),
    "no offsets": _file({"a": {"dtype": "F32", "shape": [2]}}),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_not_whole_ends_in_one_line(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(raw)
    with pytest.raises(EdgeError, match=r"^x\.safetensors: must be a whole safetensors file, received one"):
        tensors.read((tmp_path / "x.safetensors").read_bytes(), "x.safetensors")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    tensors.write(tmp_path / "x", CONTENT, {})
    before = (tmp_path / "x").read_bytes()
    with pytest.raises(KeyError):
        tensors.write(tmp_path / "x", {"a": np.zeros(1, np.float16)}, {})
    assert (tmp_path / "x").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
