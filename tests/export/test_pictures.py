"""A device makes of a picture file what the simulation makes of it, or refuses it in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.makers import colour_png, deep_png, encode
from headstart.data import PixelSettings
from headstart.data.images import decode_images
from headstart.data.pixels import background

headstart_edge: Any = pytest.importorskip("headstart_edge")

SIDE = 6
RAMP = np.linspace(0, 255, SIDE * SIDE).astype(np.uint8).reshape(SIDE, SIDE)
PLAIN = PixelSettings()
CLEAR = Image.merge("LA", [Image.fromarray(RAMP), Image.fromarray(RAMP.T)])
TURNED = Image.Exif()
TURNED[0x0112] = 6
COLOURS = Image.merge("RGB", [Image.fromarray(values) for values in (RAMP, RAMP.T, RAMP[::-1])])

SAME: dict[str, tuple[bytes, str, PixelSettings]] = {
    "1": (encode(Image.fromarray(RAMP > 90)), "png", PLAIN),
    "L": (encode(Image.fromarray(RAMP)), "png", PLAIN),
    "L turned": (encode(Image.fromarray(RAMP), exif=TURNED), "png", PLAIN),
    "L with a transparent value": (encode(Image.fromarray(RAMP), transparency=int(RAMP[2, 2])), "png", PLAIN),
    "LA": (encode(CLEAR), "png", PLAIN),
    "LA on black": (encode(CLEAR), "png", PixelSettings(background="black")),
    "LA on a colour": (encode(CLEAR), "png", PixelSettings(background=(1, 2, 99))),
    "P": (encode(COLOURS.quantize(16)), "png", PLAIN),
    "P with a transparent index": (encode(COLOURS.quantize(16), transparency=3), "png", PLAIN),
    "RGB": (encode(COLOURS, "JPEG"), "jpg", PLAIN),
    "RGB turned": (encode(COLOURS, "JPEG", exif=TURNED), "jpg", PLAIN),
    "RGBA": (encode(CLEAR.convert("RGBA")), "png", PLAIN),
    "RGBA as WebP": (encode(CLEAR.convert("RGBA"), "WEBP"), "webp", PLAIN),
    "CMYK": (encode(COLOURS.convert("CMYK"), "JPEG"), "jpg", PLAIN),
    "16 bits of which 12 are used": (deep_png(RAMP * 16.0), "png", PLAIN),
    "16 bits in a stated range": (deep_png(RAMP * 200.0), "png", PixelSettings(range=(1000, 30000))),
    "animated": (encode(COLOURS, "PNG", save_all=True, append_images=[COLOURS.rotate(90)]), "png", PLAIN),
}

REFUSED: dict[str, tuple[bytes, str, dict[str, Any], str]] = {
    "16 bits without a range": (deep_png(RAMP * 200.0), "png", {}, r"received mode I;16 \(PNG\) and range None"),
    "16-bit PGM": (encode(Image.fromarray(RAMP * np.uint16(9)), "PPM"), "pgm", {"range": [0, 9]}, r"mode I \(PPM\)"),
    "16 bits a channel": (colour_png(np.full((SIDE, SIDE, 3), 65535), 2), "png", {}, "mode RGB of 16 bits a channel"),
}


def _read(folder: Path, encoded: bytes, suffix: str, spec: dict[str, Any]) -> Any:
    path = folder / f"picture.{suffix}"
    path.write_bytes(encoded)
    data = headstart_edge.data.Data([path], np.zeros(1, np.int64), {"kind": "image", **spec})
    return data.batch(0, 1)


@pytest.mark.parametrize("name", SAME)
def test_a_device_sees_the_simulations_pixels(name: str, tmp_path: Path) -> None:
    encoded, suffix, settings = SAME[name]
    found = decode_images([encoded], None, None, settings)
    spec = dict(zip(("channels", "height", "width"), found.pixels.shape[1:], strict=True))
    spec |= {"background": background(found.settings), "range": found.settings.range}
    np.testing.assert_array_equal(_read(tmp_path, encoded, suffix, spec), found.pixels)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_device_cannot_read_alike_is_refused(name: str, tmp_path: Path) -> None:
    encoded, suffix, spec, words = REFUSED[name]
    with pytest.raises(headstart_edge.EdgeError, match=words):
        _read(tmp_path, encoded, suffix, {"channels": 3, "height": SIDE, "width": SIDE, **spec})


def test_an_array_with_alpha_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros((SIDE, SIDE, 4), np.uint8))
    encoded = (tmp_path / "one.npy").read_bytes()
    with pytest.raises(headstart_edge.EdgeError, match=r"received uint8 of shape \(6, 6, 4\)"):
        _read(tmp_path, encoded, "npy", {"channels": 3, "height": SIDE, "width": SIDE})
