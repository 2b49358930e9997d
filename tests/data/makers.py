"""Small files and arrays to test with."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def png(value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L", kind: str = "PNG") -> bytes:
    """Encode one plain picture; ``size`` is width and height."""
    buffer = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value,) * len(mode)).save(buffer, kind)
    return buffer.getvalue()


def write_table(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def write_people(folder: Path, rows: int = 40, **changes: Any) -> str:
    """A table of two numeric inputs, a label of two classes and a column of two sites."""
    rng = np.random.default_rng(0)
    columns = {
        "age": rng.normal(50, 10, rows),
        "dose": rng.normal(size=rows),
        "label": ["ill" if i % 3 else "well" for i in range(rows)],
        "site": ["north" if i % 2 else "south" for i in range(rows)],
    }
    write_table(folder / "people.parquet", **{**columns, **changes})
    return "people.parquet"


def write_pictures(folder: Path, rows: int = 40, broken: tuple[int, ...] = (), **changes: Any) -> str:
    """Grey pictures, every one of another shade (of 256), two classes, two sites."""
    cells = [{"bytes": b"broken" if i in broken else png(i % 256), "path": None} for i in range(rows)]
    columns = {
        "image": cells,
        "label": [i % 2 for i in range(rows)],
        "site": [f"s{i % 4 // 2}" for i in range(rows)],
    }
    write_table(folder / "pictures.parquet", **{**columns, **changes})
    return "pictures.parquet"


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_png(values: Any) -> bytes:
    """Encode grey values of up to 16 bits in a 16-bit file, as they are."""
    return encode(Image.fromarray(np.asarray(values, np.uint16)))


def colour_png(values: Any, kind: int) -> bytes:
    """Encode ``(height, width, channels)`` with 16 bits a channel, which Pillow reads but does not write.

    Args:
        values: of the channels.
        kind: PNG's colour type: 2 RGB, 4 grey and alpha, 6 RGB and alpha.
    """
    values = np.asarray(values, ">u2")
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
