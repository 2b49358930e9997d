"""What a device answers, and how well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from headstart_edge.bundle import Bundle
from headstart_edge.data import Data
from headstart_edge.errors import EdgeError
from headstart_edge.features import BATCH, Run, open_backbone
from headstart_edge.head import probabilities
from headstart_edge.scores import scores
from headstart_edge.state import current_head
from headstart_edge.tensors import Array


def predict(bundle: Bundle, data: Data, state: Path | str | None = None, run: Run | None = None) -> Iterator[Array]:
    """Yield class probabilities, a few examples at a time, ``(batch, classes)``."""
    run, head = run or open_backbone(bundle), current_head(bundle, state)
    for start in range(0, len(data), BATCH):
        yield probabilities(head, run(data.batch(start, min(start + BATCH, len(data)))))


def evaluate(bundle: Bundle, data: Data, state: Path | str | None = None, run: Run | None = None) -> dict[str, float]:
    """Return accuracy, balanced accuracy, macro F1 and log loss.

    Raises:
        EdgeError: the examples have no labels.
    """
    if (data.labels < 0).any():
        raise EdgeError(
            "data: must be labelled to be evaluated, received examples without a class folder; add class folders"
        )
    return scores(data.labels, np.concatenate(list(predict(bundle, data, state, run))))
