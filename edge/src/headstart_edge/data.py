"""The device's own examples, one at a time: arrays in files, or pictures where Pillow is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart_edge.bundle import Bundle
from headstart_edge.errors import EdgeError
from headstart_edge.pictures import read_picture
from headstart_edge.tensors import Array
from headstart_edge.words import visible

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm"})


@dataclass(frozen=True)
class ArrayFile:
    """The rows of a ``.npy`` file, read when they are asked for; mapped pages would stay in memory.

    Attributes:
        path: of the file.
        shape: of the whole array.
        dtype: of its numbers.
        offset: bytes before the first row.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def of(cls, path: Path) -> ArrayFile:
        """Read a file's header.

        Raises:
            EdgeError: it is no array of numbers that NumPy saved, row by row.
        """
        try:
            with path.open("rb") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, by_columns, dtype = read(file)
                found = cls(path, shape, dtype, file.tell())
            # The file's size, not the header, says how much memory it may take.
            if dtype.hasobject or path.stat().st_size != found.offset + math.prod(shape) * dtype.itemsize:
                raise ValueError("it is not whole")
            if (by_columns and len(shape) > 1) or not shape:
                raise ValueError("it is not row by row")
        except Exception as error:  # NumPy reads the header as Python, and a broken one can raise anything
            raise _no_array(path, error) from None
        return found

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> list[Array]:
        start, stop, _ = rows.indices(len(self))
        each = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset + start * each)
                raw = file.read((stop - start) * each)
        except OSError as error:
            raise _no_array(self.path, error) from None
        return list(np.frombuffer(raw, self.dtype).reshape(stop - start, *self.shape[1:]))


@dataclass(frozen=True)
class Data:
    """Examples that are read when they are needed.

    Attributes:
        inputs: files, one per example; or the rows of one array file.
        labels: class numbers ``(examples,)`` int64, -1 where unknown.
        spec: what the bundle says of an input.
    """

    inputs: Sequence[Path] | ArrayFile
    labels: Array
    spec: dict[str, Any]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, start: int, stop: int) -> Array:
        """Read examples as the backbone wants them: ``(batch, channels, height, width)`` uint8, or rows float32.

        Raises:
            EdgeError: an example has the wrong size, mode or type.
        """
        return np.stack(
            [
                _as_input(_read(item, self.spec), self.spec, _name(item, start + i))
                for i, item in enumerate(self.inputs[start:stop])
            ]
        )


def open_data(path: Path | str, bundle: Bundle) -> Data:
    """Open a folder of class folders, a folder of files without labels, or an ``inputs.npy`` with its ``labels.npy``.

    Raises:
        EdgeError: there is nothing, or a class that the head does not know.
    """
    path, spec = Path(path), dict(bundle.settings["input"])
    if (path / "inputs.npy").is_file():
        return _open_arrays(path, bundle.labels, spec)
    if not path.is_dir():
        raise EdgeError(f"data: must be a folder of examples, received '{path}'; check the path")
    folders = sorted(item for item in path.iterdir() if item.is_dir())
    files: list[tuple[Path, str | None]] = [(file, folder.name) for folder in folders for file in _files(folder)]
    files = files or [(file, None) for file in _files(path)]
    if not files:
        raise EdgeError(f"data: must hold examples (.npy or pictures), received the empty folder '{path}'; add some")
    numbers = {name: number for number, name in enumerate(bundle.labels)}
    for _, name in files:
        if name is not None and name not in numbers:
            raise EdgeError(
                f"data: folders must be named like classes ({', '.join(numbers)}), received '{name}'; rename it"
            )
    labels = [-1 if name is None else numbers[name] for _, name in files]
    return Data([file for file, _ in files], np.array(labels, dtype=np.int64), spec)


def _as_input(value: Array, spec: dict[str, Any], name: str) -> Array:
    """Bring one example into the backbone's shape.

    Raises:
        EdgeError: it does not fit.

    >>> _as_input(np.zeros((2, 3), np.uint8), {"kind": "image", "channels": 1, "height": 2, "width": 3}, "a").shape
    (1, 2, 3)
    """
    if spec["kind"] == "table":
        row = np.asarray(value, dtype=np.float32)
        if row.shape != (len(spec["columns"]),) or not np.isfinite(row).all():
            raise EdgeError(
                f"{name}: must be {len(spec['columns'])} finite numbers, received shape {row.shape}; mend it"
            )
        return row
    wanted = (spec["channels"], spec["height"], spec["width"])
    image = value[None] if value.ndim == 2 else value
    if image.ndim == 3 and image.shape != wanted and image.shape[2] in (1, 3):
        image = image.transpose(2, 0, 1)
    if image.ndim == 3 and image.shape[0] == 1 and wanted[0] == 3:
        image = np.repeat(image, 3, axis=0)
    if value.dtype != np.uint8 or image.shape != wanted:
        raise EdgeError(
            f"{name}: must be a picture of {wanted[2]} x {wanted[1]} pixels and {wanted[0]} channels in bytes, "
            f"received {value.dtype} of shape {value.shape}; bring it to that size first"
        )
    return image


def _open_arrays(path: Path, names: list[str], spec: dict[str, Any]) -> Data:
    inputs = ArrayFile.of(path / "inputs.npy")
    has_labels = (path / "labels.npy").is_file()
    labels = _load(path / "labels.npy") if has_labels else np.full(len(inputs), -1)
    if len(labels) != len(inputs) or not len(inputs):
        raise EdgeError(
            f"labels.npy: must have one label for each of {len(inputs)} inputs, received {len(labels)}; mend it"
        )
    if labels.dtype.kind not in "iu" or labels.max() >= len(names) or (has_labels and labels.min() < 0):
        raise EdgeError(f"labels.npy: must hold class numbers from 0 to {len(names) - 1}, received others; mend it")
    return Data(inputs, labels.astype(np.int64), spec)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES | {".npy"})


def _read(item: object, spec: dict[str, Any]) -> Array:
    if isinstance(item, Path):
        return _load(item) if item.suffix == ".npy" else read_picture(item, spec)
    return np.asarray(item)


def _load(path: Path) -> Array:
    """Read an array whole; by rows, as ``ArrayFile`` checks it."""
    found = ArrayFile.of(path)
    return np.stack(found[:]) if len(found) else np.zeros(found.shape, found.dtype)


def _no_array(path: Path, error: Exception) -> EdgeError:
    reason = visible(str(error))[:200]
    return EdgeError(
        f"{visible(path.name)}: must be an array that NumPy saved, received another file ({reason}); replace it"
    )


def _name(item: object, row: int) -> str:
    return item.name if isinstance(item, Path) else f"inputs.npy, row {row}"
