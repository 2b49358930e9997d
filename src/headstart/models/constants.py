"""A few fixed numbers beside a tensor, without a copy from the processor's memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def numbers_like(like: Tensor, values: Sequence[float]) -> Tensor:
    """Return numbers of a tensor's type where it is, ``(len(values),)``.

    Elsewhere than on the processor they are written there: a copy would have the device wait, and cannot be recorded
    in a graph of operations.

    >>> numbers_like(torch.zeros(1, dtype=torch.float64), (0.5, 2.0))
    tensor([0.5000, 2.0000], dtype=torch.float64)
    """
    if like.device.type == "cpu":
        return like.new_tensor(values)
    return torch.cat([like.new_full((1,), value) for value in values])
