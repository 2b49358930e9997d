"""Arrays on disk: no flipped bit, no cut and no garbage is taken for an array."""

from pathlib import Path

import numpy as np
import pytest

from headstart.core.checked import add_checksum, read_array
from headstart.core.damage import Damaged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An array with its checksum."""
    np.save(tmp_path / "a.npy", np.arange(24.0).reshape(4, 6))
    add_checksum(tmp_path / "a.npy", "a.npy")
    return tmp_path / "a.npy"


def test_it_is_read_by_us_and_by_numpy(path: Path) -> None:
    found = read_array(path)
    assert found is not None
    assert found.tolist() == np.load(path).tolist() == np.arange(24.0).reshape(4, 6).tolist()
    found[0] = 7
    assert np.load(path)[0, 1] == 1, "what is written to it stays in memory"


@pytest.mark.parametrize("shape", [(0, 3), (), (2**22 + 1, 1, 5)], ids=str)
def test_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape, np.uint8))
    add_checksum(tmp_path / "a.npy", "a.npy")
    found = read_array(tmp_path / "a.npy")
    assert found is not None
    assert found.shape == shape


def test_a_second_checksum_takes_the_place_of_the_first(path: Path) -> None:
    content = path.read_bytes()
    add_checksum(path, path.name, len(content) - 16)
    assert path.read_bytes() == content


def test_no_file_is_no_array(tmp_path: Path) -> None:
    assert read_array(tmp_path / "a.npy") is None


def test_a_whole_array_under_the_name_of_another_is_not_believed(path: Path) -> None:
    path.with_name("b.npy").write_bytes(path.read_bytes())
    with pytest.raises(Damaged, match="not what was written, by its checksum"):
        read_array(path.with_name("b.npy"))


def test_an_array_that_lost_its_checksum_is_not_believed(path: Path) -> None:
    content = path.read_bytes()[:-16]
    for other in (content, content[:-1], content + b"x"):
        path.write_bytes(other)
        with pytest.raises(Damaged):
            read_array(path)


def test_every_flipped_bit_is_found(path: Path) -> None:
    content = path.read_bytes()
    for bit in range(0, 8 * len(content), 7):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(Damaged):
            read_array(path)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"PK" * 100, b"\0" * 200, b"\x93NUMPY\x01\x00v\x00{'descr':" + b" " * 99]
)
def test_garbage_is_no_array(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"a\.npy' is damaged .* run the study again"):
        read_array(path)


def test_a_folder_is_no_array_and_is_renamed(path: Path) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(Damaged, match="it is a folder") as caught:
        read_array(path)
    caught.value.set_aside()
    assert [file.name for file in path.parent.iterdir()] == ["a.npy.damaged-0"]
