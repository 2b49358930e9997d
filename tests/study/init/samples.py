"""Data to look at, as people have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.makers import write_table
from headstart.study.init.look import Found, look

ROWS = 240


def found_in(folder: Path, **columns: Any) -> Found:
    """Look at a table of these columns."""
    return look(str(write_table(folder / "table.parquet", **columns)), Path())


def wards(*, rows: int = ROWS, **changes: Any) -> dict[str, Any]:
    """Columns of a table with numbers, a hospital and a label; a change to None takes a column out."""
    draw = np.random.default_rng(0)
    columns = {
        "age": draw.integers(20, 90, rows),
        "dose": draw.normal(size=rows),
        "hospital": draw.choice(["north", "south", "west"], rows),
        "label": draw.choice(["ill", "well"], rows),
    }
    return {name: column for name, column in {**columns, **changes}.items() if column is not None}


def write_classes(folder: Path, each: int = 12, size: tuple[int, int] = (20, 16)) -> Path:
    """A folder of class folders with pictures, every one another."""
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder
