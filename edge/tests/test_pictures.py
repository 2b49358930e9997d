"""Picture files on a device: those that fit are read as the arrays that they hold; others end in one line."""

from pathlib import Path

import numpy as np
import pytest

from handmade import CLASSES, SIDE, draw, make_bundle
from headstart_edge import EdgeError, cli, open_bundle, open_data

Image = pytest.importorskip("PIL.Image")


def _write(folder: Path, mode: str, size: tuple[int, int] = (SIDE, SIDE), count: int = 40, suffix: str = "png") -> Path:
    inputs, labels = draw(count)
    for number, (pixels, label) in enumerate(zip(inputs, labels, strict=True)):
        own = folder / CLASSES[label]
        own.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels[0]).resize(size)
        image.convert(mode).save(own / f"{number:03}.{suffix}")
    return folder


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_pictures_are_read(mode: str, tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    data = open_data(_write(tmp_path / "data", mode), bundle)
    assert data.batch(0, 2).shape == (2, 1, SIDE, SIDE)
    if mode == "L":
        first = np.asarray(Image.open(data.inputs[0]))
        np.testing.assert_array_equal(data.batch(0, 1)[0, 0], first)


def test_a_device_learns_from_picture_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_bundle(tmp_path / "bundle")
    assert cli.main(["finetune", str(folder), str(_write(tmp_path / "data", "L", count=90))]) == 0
    assert "accepted" in capsys.readouterr().out


@pytest.mark.parametrize(("mode", "size"), [("RGB", (SIDE, SIDE)), ("RGBA", (SIDE, SIDE)), ("L", (9, 4))])
def test_a_camera_picture_of_another_size_or_mode_is_refused(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    with pytest.raises(EdgeError, match=f"must be a picture of {SIDE} x {SIDE} pixels and 1 channels"):
        open_data(_write(tmp_path / "data", mode, size), bundle).batch(0, 1)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    own = tmp_path / "data" / CLASSES[0]
    own.mkdir(parents=True)
    (own / "a.png").write_bytes(b"\x89PNG not really")
    with pytest.raises(EdgeError, match=r"a\.png: must be a picture"):
        open_data(tmp_path / "data", bundle).batch(0, 1)
