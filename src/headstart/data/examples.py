"""Examples: the inputs, labels and ids of a data set, stored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from headstart.core.arrays import Array
from headstart.core.content import fingerprint, hash_array, hash_json, row_hashes
from headstart.core.ragged import Ragged
from headstart.core.task import Task, classification
from headstart.data.settings import PixelSettings
from headstart.data.targets import Targets

InputKind = Literal["image", "table", "text"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows that clients index into; nobody copies them.

    Attributes:
        kind: ``image``, ``table`` or ``text``.
        inputs: images as bytes ``(examples, channels, height, width)`` uint8; tables ``(examples, columns)``
            float32; texts as rows of UTF-8 bytes, or of the tokens (int32) that a study's backbone reads.
        labels: class indices ``(examples,)`` int64; -1 where unlabelled (central pools only). Of a task that is no
            classification, the classes are strata of the targets: by these, examples are split and clients compared.
        ids: a unique name per example, stable over runs.
        classes: class names; ``labels`` index into it.
        columns: names of a table's input columns; else empty.
        groups: numbers of the groups that no split parts ``(examples,)`` int64; None where every row is its own.
        targets: what is to be predicted, where that is not the class.
        pixels: by what rules encoded pictures became bytes, the range of all of them included; else None.
    """

    kind: InputKind
    inputs: Any
    labels: Array
    ids: Sequence[str]
    classes: tuple[str, ...]
    columns: tuple[str, ...] = ()
    pixels: PixelSettings | None = None
    groups: Array | None = None
    targets: Targets | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Array) -> Examples:
        """Copy the examples of these indices; classes and columns stay."""
        ids = [self.ids[index] for index in indices]
        groups = None if self.groups is None else self.groups[indices]
        targets = self.targets and self.targets.take(indices)
        labels = self.labels[indices]
        return replace(self, inputs=self.inputs[indices], labels=labels, ids=ids, groups=groups, targets=targets)

    @property
    def task(self) -> Task:
        """What is to be predicted."""
        return self.targets.task if self.targets is not None else classification(self.classes)

    @property
    def truth(self) -> Array:
        """What predictions are compared with: class indices ``(examples,)``, or the targets ``(examples, …)``."""
        return self.targets.values if self.targets else self.labels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input; ``()`` of a text, which has any length."""
        return () if isinstance(self.inputs, Ragged) else tuple(self.inputs.shape[1:])

    def blank(self) -> Array:
        """Return one input of zeros, ``(1, …)``; of texts one token."""
        shape = (1,) if isinstance(self.inputs, Ragged) else self.shape
        dtype = self.inputs.values.dtype if isinstance(self.inputs, Ragged) else self.inputs.dtype
        return np.zeros((1, *shape), dtype)

    @property
    def row_hashes(self) -> list[bytes]:
        """Content hash of each input: equal inputs, equal hashes. A table's, many and soon found, are not kept."""
        return row_hashes(self.inputs) if self.kind == "table" else self._row_hashes

    @cached_property
    def _row_hashes(self) -> list[bytes]:
        return row_hashes(self.inputs)

    @cached_property
    def inputs_key(self) -> str:
        """Content hash of the inputs, which names cached activations."""
        if self.kind == "image":  # many bytes, read once for all that is to be known of them
            return hash_json([self.inputs.dtype.str, self.inputs.shape, fingerprint(b"".join(self.row_hashes)).hex()])
        if isinstance(self.inputs, Ragged):
            return hash_json([hash_array(self.inputs.values), hash_array(self.inputs.starts)])
        return hash_array(self.inputs)

    @cached_property
    def key(self) -> str:
        """Content hash of everything here."""
        groups = [] if self.groups is None else [hash_array(self.groups)]
        said = [self.kind, self.inputs_key, hash_array(self.labels), list(self.ids), self.classes]
        targets = [asdict(self.targets.task), hash_array(self.targets.values)] if self.targets else []
        return hash_json([*said, *groups, *targets])
