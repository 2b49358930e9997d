import json
import os
import struct
from pathlib import Path

import pytest
import torch

from headstart.core.errors import ModelError
from headstart.models import weights

TREE = {
    "head.weight": torch.randn(2, 3, generator=torch.Generator().manual_seed(0)),
    "double": torch.ones(1, dtype=torch.float64),
    "scalar": torch.tensor(3.0),
}


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "w.safetensors"
    weights.save(path, TREE, {"seed": "0", "note": "é"})
    loaded, metadata = weights.load(path)
    assert metadata == {"seed": "0", "note": "é"}
    assert loaded.keys() == TREE.keys()
    assert all(loaded[name].dtype == value.dtype for name, value in TREE.items())
    assert all(torch.equal(loaded[name], value) for name, value in TREE.items())
    assert os.listdir(path.parent) == ["w.safetensors"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_tensor_that_is_not_finite_is_named(bad: float) -> None:
    broken = {**TREE, "body.weight": torch.tensor([1.0, bad, bad])}
    with pytest.raises(ModelError, match=r"x: all weights .* in 2 of 3 numbers of 'body\.weight' \(1 of 4 tensors"):
        weights.check_finite(broken, "x")


def test_whole_numbers_and_finite_ones_pass() -> None:
    weights.check_finite({**TREE, "steps": torch.tensor(3)}, "x")


def test_without_metadata(tmp_path: Path) -> None:
    weights.save(tmp_path / "w.safetensors", TREE)
    assert weights.load(tmp_path / "w.safetensors")[1] == {}


def test_shared_and_transposed_tensors(tmp_path: Path) -> None:
    shared = torch.arange(6.0).view(2, 3)
    tree = {
        "a": shared,
        "b": shared,
        "c": shared.T,
        "d": shared[0].expand(4, 3),
        "e": shared.requires_grad_(),
    }
    weights.save(tmp_path / "w.safetensors", tree)
    loaded, _ = weights.load(tmp_path / "w.safetensors")
    assert all(torch.equal(loaded[name], tree[name]) for name in tree)


def test_saving_replaces_the_file_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path, TREE)

    def half(tensors: object, file: Path, metadata: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(weights, "save_file", half)
    with pytest.raises(OSError, match="disk full"):
        weights.save(path, {"other": torch.zeros(1)})
    assert weights.load(path)[0].keys() == TREE.keys()
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"must end in '\.safetensors', received '.*w\.pt'"):
        weights.save(tmp_path / "w.pt", TREE)
    assert not list(tmp_path.iterdir())


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no file '.*none\.safetensors'"):
        weights.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x08\x00\x00\x00\x00\x00\x00\x00{}garbage"])
def test_what_is_not_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not a whole safetensors file"):
        weights.load(path)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(TREE, path)
    with pytest.raises(ModelError, match="headstart convert FILE makes safetensors of pickled weights"):
        weights.load(path)


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    weights.save(path, TREE)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="is not a whole safetensors file"):
        weights.load(path)


@pytest.mark.parametrize("length", [2**63, 2**40, 16 * 2**20 + 1])
def test_a_long_header_is_not_read(length: int, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(
        ModelError, match=r"not a whole safetensors file \(a header of [\d,]+ bytes, at most 16,777,216"
    ):
        weights.load(tmp_path / "w.safetensors")


def test_a_file_longer_than_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terabyte of nothing takes no room on the disk."""
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "1")
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}).encode()
    with (tmp_path / "w.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(2**40 + 8 + len(header))
    with pytest.raises(ModelError, match=r"may take at most 1 GB of memory here, received 1\.1e\+03 GB; give"):
        weights.load(tmp_path / "w.safetensors")


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        {"a": ENTRY, "b": ENTRY},
        {"a": {**ENTRY, "shape": [2**31, 2**31]}},
        {"a": {**ENTRY, "shape": [2**63, 4]}},
        {"a": {**ENTRY, "data_offsets": [0, 2**50]}},
        {"a": {**ENTRY, "data_offsets": [8, 0]}},
    ],
    ids=["shared bytes", "a huge shape", "an overflow", "beyond the end", "backwards"],
)
def test_a_header_that_lies_is_one_line(header: dict[str, object], tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(ModelError, match="is not a whole safetensors file") as error:
        weights.load(tmp_path / "w.safetensors")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("raw", [b"", b"\0\0", b"\xff" * 7])
def test_a_file_of_a_few_bytes_is_one_line(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(raw)
    with pytest.raises(ModelError, match="is not a whole safetensors file"):
        weights.load(tmp_path / "w.safetensors")
