"""Texts of different lengths on the way into a batch: kept end to end, padded to the longest of those asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.ragged import Ragged
from headstart.engine.features.host_rows import HostRows

PADDING = -1
"""Stands in the place of a token where there is none."""

MOST_TOKENS = 2**13
"""Tokens of a batch, padding included, that nothing but memory and speed limits."""


@dataclass(frozen=True, eq=False)
class RaggedTensor:
    """Tokens, or states of tokens, of all texts end to end; indexed like a tensor, and a batch of it is padded.

    Attributes:
        values: tokens ``(tokens,)``, or states ``(tokens, width)``.
        starts: where each text begins, and the end of the last, ``(texts + 1,)``, on the CPU.
    """

    values: Tensor
    starts: Array

    @classmethod
    def of(cls, rows: Ragged) -> RaggedTensor:
        """Look at rows of tokens as tensors."""
        return cls(torch.from_numpy(rows.values), rows.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, rows: Any) -> Tensor:
        """Return a padded batch.

        Returns:
            Tokens ``(batch, longest)``, -1 where padded; or states ``(batch, longest, width + 1)``, whose last number
            is 1 for a token and 0 for padding.
        """
        chosen = np.arange(len(self))[rows.cpu().numpy() if isinstance(rows, Tensor) else rows]
        lengths = self.lengths[chosen]
        steps = np.arange(lengths.max(initial=1))
        real = torch.from_numpy(steps < lengths[:, None]).to(self.device)
        places = torch.from_numpy(np.minimum(self.starts[chosen, None] + steps, len(self.values) - 1)).to(self.device)
        if self.values.dim() == 1:
            return self.values[places].where(real, PADDING)
        return torch.cat([self.values[places] * real.unsqueeze(-1), real.unsqueeze(-1).to(self.values.dtype)], dim=-1)

    def to(self, device: torch.device) -> RaggedTensor:
        """Return the same on a device."""
        return RaggedTensor(self.values.to(device), self.starts)

    @property
    def lengths(self) -> Array:
        """Tokens of each text, ``(texts,)`` int64."""
        return np.diff(self.starts)

    @property
    def device(self) -> torch.device:
        """Where the values are."""
        return self.values.device


Inputs = Tensor | HostRows | RaggedTensor
"""What activations are kept as; both are indexed by rows, and give a batch."""


def split(inputs: Inputs, rows: Array, most: int) -> Iterator[Array]:
    """Split rows into batches, and say which of ``rows`` each has: at most so many, texts of one length together.

    >>> texts = RaggedTensor(torch.arange(7), np.array([0, 1, 5, 7]))
    >>> [some.tolist() for some in split(texts, np.array([0, 1, 2]), 2)]
    [[0, 2], [1]]
    """
    if not isinstance(inputs, RaggedTensor):
        yield from np.split(np.arange(len(rows)), range(most, len(rows), most)) if len(rows) else ()
        return
    lengths = inputs.lengths[rows]
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        stop = start + batch_of_texts(lengths[order[start:]], most)
        yield order[start:stop]
        start = stop


def batch_of_texts(lengths: Array, most: int) -> int:
    """Return how many of the next texts, which get longer, are one batch: at least 1, at most ``most``."""
    padded = lengths[:most] * np.arange(1, len(lengths[:most]) + 1)
    return max(1, int(np.searchsorted(padded, MOST_TOKENS, side="right")))
