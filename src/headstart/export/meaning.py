"""What a model reads and what it says, as JSON: ``preprocessing.json`` and ``labels.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headstart.core.errors import ModelError
from headstart.core.task import Task, TaskKind
from headstart.data.pixels import background
from headstart.data.settings import PixelSettings
from headstart.export.leaving import Leaving
from headstart.models.checkpoints.tokens import CHARACTERS_PER_TOKEN, read_tokenizer
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareImages, PrepareVectors

MEANINGS: Mapping[TaskKind, str] = {
    "classification": "the probability of each label; they sum to 1",
    "multilabel": "the probability of each label, on its own",
    "regression": "a number for each label, in its own unit",
    "survival": "a log hazard ratio: greater where the event comes sooner",
}
"""What a prediction is."""


def labels_of(task: Task) -> dict[str, Any]:
    """Return what ``labels.json`` says.

    >>> labels_of(Task(kind="regression", outputs=("age",), centers=(50.0,), scales=(9.0,)))["scales"]
    [9.0]
    """
    found = {"task": task.kind, "labels": list(task.outputs), "prediction": MEANINGS[task.kind]}
    return {**found, "centers": list(task.centers), "scales": list(task.scales)} if task.centers else found


def preprocessing_of(leaving: Leaving) -> dict[str, Any]:
    """Return what ``preprocessing.json`` says: how what a user has becomes what the network reads."""
    kinds: dict[str, Callable[[Leaving], dict[str, Any]]] = {"image": _picture, "table": _table, "text": _text}
    return {"kind": leaving.examples.kind, **kinds[leaving.examples.kind](leaving)}


def _picture(leaving: Leaving) -> dict[str, Any]:
    """Say how a picture becomes bytes, and how these become numbers."""
    pixels = leaving.examples.pixels or PixelSettings()
    channels, height, width = leaving.examples.shape
    how = _scaled(leaving.network, channels)
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "resize": "scaled until it covers the size, centre cut out (bilinear)",
        "background": list(background(pixels)),
        "range": pixels.range,
        "rescale": how.scale,
        "mean": _for_all(how.mean, how.channels),
        "std": _for_all(how.std, how.channels),
    }


def _scaled(network: Network, channels: int) -> PrepareImages:
    """Return how bytes become numbers; a network of vectors reads them from 0 to 1.

    Raises:
        ModelError: the network prepares its pictures in a way that cannot be said.
    """
    prepare = network.prepare
    if isinstance(prepare, PrepareImages):
        return prepare
    if isinstance(prepare, PrepareVectors):
        return PrepareImages(channels)
    raise ModelError(
        f"export: pictures must be prepared by a scale, a mean and a deviation, received '{network.name}' with "
        f"{type(prepare).__name__}; export an arm of another network"
    )


def _for_all(values: tuple[float, ...], channels: int) -> list[float]:
    return list(values) * channels if len(values) == 1 else list(values)


def _table(leaving: Leaving) -> dict[str, Any]:
    """Say the columns in their order, and how each is filled and scaled."""
    names, scaling = leaving.examples.columns, leaving.scaling
    if scaling is None:
        return {"columns": [{"name": name} for name in names], "scaling": _EACH_ITS_OWN}
    numbers = zip(scaling.fill.tolist(), scaling.center.tolist(), scaling.scale.tolist(), strict=True)
    columns = zip(names, numbers, strict=True)
    return {
        "columns": [
            {"name": name, "fill": fill, "mean": center, "std": scale} for name, (fill, center, scale) in columns
        ],
        "scaling": "an empty cell is filled, then (value - mean) / std; a column 'name=category' is 1 for it, else 0",
    }


_EACH_ITS_OWN = (
    "each client by its own examples outside test, to mean 0 and standard deviation 1 a column; what is read must be "
    "so scaled"
)


def _text(leaving: Leaving) -> dict[str, Any]:
    most = read_tokenizer(leaving.spec)[1]
    return {"max_tokens": most, "max_characters": CHARACTERS_PER_TOKEN * most, "pooling": leaving.spec.pooling}
