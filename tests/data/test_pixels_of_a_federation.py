"""What is said of pixels when a federation opens, and that all its parts are converted alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.makers import deep_png, encode, png, write_pictures, write_table
from headstart.data import CentralSettings, DataSettings, Federation, PixelSettings, open_federation
from headstart.data.account import Converted
from headstart.data.agreement import Agreement
from headstart.data.open import open_client
from headstart.data.sources import open_source

CLEAR = encode(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))


def _cells(encoded: list[bytes]) -> list[dict[str, Any]]:
    return [{"bytes": one, "path": None} for one in encoded]


def _open(folder: Path, encoded: list[bytes], **settings: Any) -> Federation:
    source = write_pictures(folder, rows=len(encoded), image=_cells(encoded))
    return open_federation(DataSettings(source=source, client="site", **settings), folder)


def _deep(largest: int, rows: int = 12) -> list[bytes]:
    return [deep_png(np.full((8, 8), largest - i)) for i in range(rows)]


def test_what_was_converted_is_said_with_its_count(tmp_path: Path) -> None:
    shades = [png(i) for i in range(9)]
    federation = _open(tmp_path, [*shades, CLEAR, *_deep(1023, 2)], pixels=PixelSettings(background="black"))
    assert federation.account is not None
    assert federation.account.converted == (
        Converted("RGBA images with transparency", "laid over black", 1),
        Converted("I;16 images", "values 0 to 1023 scaled to 0 to 255", 2),
    )


def test_plain_pictures_need_no_word(tmp_path: Path) -> None:
    federation = _open(tmp_path, [png(i) for i in range(12)])
    assert federation.account is not None
    assert (federation.notes, federation.account.converted) == ((), ())


def test_the_pool_is_scaled_as_the_clients_are(tmp_path: Path) -> None:
    write_table(tmp_path / "pool.parquet", image=_cells(_deep(300)), label=[0, 1] * 6)
    central = CentralSettings(source="pool.parquet")
    federation = _open(tmp_path, _deep(4000), central=central)
    assert federation.central is not None
    assert federation.central.inputs.max() == round(300 * 255 / 4095)
    assert federation.examples.inputs.max() == round(4000 * 255 / 4095)


@pytest.mark.parametrize(("agreed", "white"), [(None, 1023), ((0.0, 4095.0), 4095)])
def test_one_clients_own_file_is_scaled_as_agreed(
    tmp_path: Path, agreed: tuple[float, float] | None, white: int
) -> None:
    source = write_pictures(tmp_path, rows=12, image=_cells(_deep(900)))
    agreement = Agreement(classes=("0", "1"), shape=(1, 8, 8), range=agreed) if agreed else None
    opened = open_client(open_source(source, tmp_path), DataSettings(source=source), "site", agreement)
    assert opened.examples.inputs.max() == round(900 * 255 / white)


@pytest.mark.parametrize("largest", [900, 4000])
def test_clients_with_a_stated_range_are_scaled_alike(tmp_path: Path, largest: int) -> None:
    source = write_pictures(tmp_path, rows=12, image=_cells(_deep(largest)))
    settings = DataSettings(source=source, pixels=PixelSettings(range=(0, 4095)))
    assert open_client(open_source(settings.source, tmp_path), settings, "site").examples.inputs.max() == round(
        largest * 255 / 4095
    )
