"""Rows that are too many for a card: they stay in the machine's memory, and each batch of them is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from headstart.core.device import fits


@dataclass(frozen=True, eq=False)
class HostRows:
    """Rows in the machine's memory, indexed like a tensor of a device.

    Attributes:
        values: the rows ``(rows, …)``, on the processor.
        device: where batches of them are wanted.

    >>> HostRows(torch.arange(6).view(3, 2), torch.device("cpu"))[torch.tensor([2, 0])]
    tensor([[4, 5],
            [0, 1]])
    """

    values: Tensor
    device: torch.device

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> Tensor:
        """Send some rows; those of a tensor may be named on either side."""
        found = self.values[rows.cpu() if isinstance(rows, Tensor) else rows]
        return (found.pin_memory() if self.device.type == "cuda" else found).to(self.device, non_blocking=True)

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """Send rows as :meth:`torch.Tensor.index_select` takes them; ``dim`` is 0."""
        return self[rows]

    @property
    def shape(self) -> torch.Size:
        """Of all rows."""
        return self.values.shape


def on_device(values: Tensor, device: torch.device) -> Tensor | HostRows:
    """Return rows on a device, or batch by batch where all of them would take too much of it."""
    return values.to(device) if fits(values.nbytes, device) else HostRows(values, device)
