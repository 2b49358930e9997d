"""Python arrays as a source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.sources.source import Source


def array_source(
    inputs: Any,
    labels: Any,
    *,
    clients: Sequence[Any] | None = None,
    ids: Sequence[Any] | None = None,
    groups: Sequence[Any] | None = None,
    classes: tuple[str, ...] | None = None,
    columns: Sequence[str] | None = None,
    events: Sequence[Any] | None = None,
    name: str = "arrays",
) -> Source:
    """Make a source of arrays; see ``from_arrays`` for the arguments.

    Raises:
        DataError: the arrays' lengths, shapes or types do not fit.
    """
    if columns is None and hasattr(inputs, "columns"):
        columns = [str(column) for column in inputs.columns]
    texts = [str(text) for text in inputs] if holds_texts(inputs) else None
    inputs = np.arange(len(texts)) if texts is not None else np.asarray(inputs)
    fields = _label_columns(labels, classes)
    others = (("client", clients), ("id", ids), ("group", groups), ("event", events))
    fields |= {key: list(values) for key, values in others if values is not None}
    for key, values in fields.items():
        if len(values) != len(inputs):
            raise DataError(f"{name}: {len(values)} {key}s for {len(inputs)} inputs; give one each")
    is_indexed = classes is not None and all(isinstance(label, int) for label in fields.get("label", []))
    names = {"label": tuple(classes)} if classes and is_indexed else {}
    pixels = None
    if texts is not None:
        fields["text"] = texts
    elif inputs.ndim == 2:
        fields |= _input_columns(inputs, columns, name)
    else:
        pixels = _pixels(inputs, name)
    fields = fields or {"row": list(range(len(inputs)))}
    client, identity = ("client" if clients is not None else None), ("id" if ids is not None else None)
    return Source(name, pa.table(fields), names, id_column=identity, client_column=client, pixels=pixels)


def label_names(labels: Any, classes: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of the columns of several labels or targets; None of one.

    >>> label_names([[0, 1]], None), label_names([0, 1], None)
    (('label 0', 'label 1'), None)
    """
    if np.ndim(labels) < 2:
        return None
    return tuple(classes) if classes else tuple(f"label {i}" for i in range(np.shape(labels)[1]))


def _label_columns(labels: Any, classes: Sequence[str] | None) -> dict[str, list[Any]]:
    names = label_names(labels, classes)
    if labels is None or names is None:
        return {} if labels is None else {"label": [_filled(label) for label in np.asarray(labels).tolist()]}
    values = np.asarray(labels)
    if len(names) != values.shape[1]:
        raise DataError(f"classes: {len(names)} names for labels of {values.shape[1]} columns; give one each")
    return {name: values[:, i].tolist() for i, name in enumerate(names)}


def _filled(label: Any) -> Any:
    """Return a label; None for what pandas has where there is none."""
    is_empty = label is None or (isinstance(label, float) and np.isnan(label)) or type(label).__name__ == "NAType"
    return None if is_empty else label


def holds_texts(inputs: Any) -> bool:
    """Say whether inputs are a row of texts.

    >>> holds_texts(["a note"]), holds_texts([[1.0]])
    (True, False)
    """
    # A table of pandas yields the names of its columns, and a column's rows may have any names.
    return len(inputs) > 0 and not hasattr(inputs, "columns") and isinstance(next(iter(inputs)), str)


def _input_columns(inputs: Array, columns: Sequence[str] | None, name: str) -> dict[str, Any]:
    names = list(columns) if columns is not None else [f"x{i}" for i in range(inputs.shape[1])]
    if len(names) != inputs.shape[1]:
        raise DataError(f"{name}: {len(names)} column names for inputs of {inputs.shape[1]} columns; give one each")
    return {key: _floats(inputs[:, i], key, name) for i, key in enumerate(names)}


def _floats(values: Array, column: str, name: str) -> Array:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        kind = type(values[0]).__name__
        raise DataError(
            f"{name}: column '{column}' must hold numbers, received {kind} such as {str(values[0])[:40]!r}; give "
            "numbers, or write a file, whose categories and dates a study encodes"
        ) from None


def _pixels(inputs: Array, name: str) -> Array:
    """Return images as ``(examples, channels, height, width)``."""
    if inputs.dtype != np.uint8 or inputs.ndim not in (3, 4):
        raise DataError(
            f"{name}: inputs must be a table (examples, columns) or uint8 images (examples, [channels,] "
            f"height, width), received {inputs.dtype} {inputs.shape}; scale images to 0..255"
        )
    images = inputs[:, None] if inputs.ndim == 3 else inputs
    if images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.shape[1] not in (1, 3):
        raise DataError(
            f"{name}: images must have 1 or 3 channels, received {inputs.shape}; convert them to grey or RGB"
        )
    return np.ascontiguousarray(images)
