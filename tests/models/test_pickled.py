"""Pickled files of users: tensors are read, nothing is run, and whatever else they hold is one clear line."""

from __future__ import annotations

import pickle
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from headstart.core.errors import ModelError
from headstart.models.state import open_state, read_state
from pickles import Trap, equal, net, saved

STATE = dict(net().state_dict())


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.ckpt", "best.pth.tar"])
@pytest.mark.parametrize("is_new", [True, False], ids=["zip", "legacy"])
def test_what_torch_saves_is_read(name: str, is_new: bool, tmp_path: Path) -> None:
    path = saved(tmp_path / name, net().state_dict(), _use_new_zipfile_serialization=is_new)
    state, said = open_state(path)
    assert equal(state, STATE)
    assert said == ()


def test_the_tensors_outlive_the_file(tmp_path: Path) -> None:
    """They are in memory of their own, so a file may be written again, and views of one tensor are apart."""
    shared = torch.arange(6.0).view(2, 3)
    path = saved(tmp_path / "w.pth", {"a": shared, "b": shared.T})
    state = read_state(path)
    path.write_bytes(bytes(path.stat().st_size))
    state["a"].zero_()
    assert torch.equal(state["b"], shared.T)
    assert state["b"].is_contiguous()


def test_types_stay(tmp_path: Path) -> None:
    state = {"a": torch.ones(2, dtype=torch.bfloat16), "b": torch.ones(2).half(), "c": torch.tensor(3)}
    assert equal(read_state(saved(tmp_path / "w.pth", state)), state)


@pytest.mark.parametrize("is_new", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapped", [lambda trap: trap, lambda trap: {"state_dict": STATE, "args": trap}])
def test_nothing_runs(wrapped: Callable[[Trap], object], is_new: bool, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    trap = Trap(f"touch {ran}")
    path = saved(tmp_path / "w.pth", wrapped(trap), _use_new_zipfile_serialization=is_new)
    with pytest.raises(ModelError, match=r"holds more than tensors \('\w+.system'\), which is never run; where the"):
        read_state(path)
    assert not ran.exists()
    pickle.loads(pickle.dumps(trap))
    assert ran.exists(), "the trap works"


def test_parsed_arguments_are_passed_by(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", {"model": STATE, "args": Namespace(lr=0.1, nested=Namespace(a=1))})
    state, (said,) = open_state(path)
    assert equal(state, STATE)
    assert said.endswith("not read: args")


def test_a_whole_module_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds more than tensors \('pickles\.Net'\).*save\(model\.state_dict\(\), "):
        read_state(saved(tmp_path / "w.pth", net()))


def test_a_program_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(saved(path, STATE), "a") as archive:
        archive.writestr("w/code/net.py", "")
    with pytest.raises(ModelError, match=r"is a program \(TorchScript\).*jit\.load\(FILE\)\.state_dict"):
        read_state(path)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty; get the file anew"),
        (b"epoch,loss\n1,0.3\n", "is torn, or no file of weights of PyTorch; get"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a page of HTML"),
        (b"\x89HDF\r\n\x1a\n", "HDF5, which Keras writes"),
        (b"PK\x03\x04 and no more", "is torn or damaged"),
        (b"\x80\x02}q\x00.", "is torn, or no file of weights of PyTorch; get"),
        (pickle.dumps({"fc.bias": [1.0]}), "is torn, or no file of weights of PyTorch; get"),
        (bytes(range(256)) * 40, "is torn, or no file of weights of PyTorch; get"),
    ],
)
def test_other_files_called_so_are_one_line(content: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=word) as error:
        read_state(path)
    assert "\n" not in str(error.value)
    assert "w.pth" in str(error.value)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("is_new", [True, False], ids=["zip", "legacy"])
def test_a_torn_file_is_one_line(share: float, is_new: bool, tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", STATE, _use_new_zipfile_serialization=is_new)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="is torn") as error:
        read_state(path)
    assert "\n" not in str(error.value)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    """PyTorch itself would read a wrong number."""
    weight = torch.arange(1000.0)
    path = saved(tmp_path / "w.pth", {"weight": weight})
    content = bytearray(path.read_bytes())
    content[content.find(weight.numpy().tobytes()) + 400] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is torn or damaged \(the bytes of 'w/data/0' are not those"):
        read_state(path)


def test_a_zip_of_other_things_is_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    with pytest.raises(ModelError, match="is a zip archive, but no file of weights"):
        read_state(tmp_path / "w.pth")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "0.001")
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", bytes(2_000_000))
    assert (tmp_path / "w.pth").stat().st_size < 10_000
    with pytest.raises(ModelError, match=r"at most 0\.001 GB of memory here, received 0\.002 GB"):
        read_state(tmp_path / "w.pth")


def test_a_long_list_of_tensors_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", bytes(2**26 + 1))
    with pytest.raises(ModelError, match=r"may have at most 67,108,864 bytes, received 67,108,865"):
        read_state(tmp_path / "w.pth")


def test_views_larger_than_the_memory_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "w.pth", {"w": torch.zeros(1).expand(10_000, 10_000)})
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "0.1")
    with pytest.raises(ModelError, match=r"'.*w\.pth' may take at most 0\.1 GB of .*, received tensors of 0\.4"):
        read_state(path)


def test_names_of_other_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no file '.*none\.pth'"):
        read_state(tmp_path / "none.pth")
    (tmp_path / "w.onnx").write_bytes(b"\x08\x07")
    with pytest.raises(ModelError, match=r"received '.*w\.onnx', which is of ONNX: give the weights as PyTorch saved"):
        read_state(tmp_path / "w.onnx")
    (tmp_path / "w.weights").write_bytes(b"1")
    with pytest.raises(ModelError, match=r"end in \.safetensors, \.pth, .*; rename it"):
        read_state(tmp_path / "w.weights")
