"""One minibatch, as a model reads it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """One minibatch of one client, or of a stack of clients.

    Attributes:
        inputs: activations at the model's cut, ``([clients,] batch, …)``.
        labels: the truth: class indices, ``([clients,] batch)`` int64, or another task's, ``([clients,] batch, …)``.
        weights: importance of each example, ``([clients,] batch)``; 0 marks padding.
        full: whether every client is known to have an example here.
        draws: numbers drawn by chance for each example, ``([clients,] batch, draws)`` in [0, 1]; None without any.
        keep: what each example's features are multiplied by before the head, ``([clients,] batch, features)``.
        lr_factor: what the step size is multiplied by, ``()`` or ``(clients,)``; None for 1.
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor
    full: bool = False
    draws: Tensor | None = None
    keep: Tensor | None = None
    lr_factor: Tensor | None = None

    @property
    def active(self) -> Tensor:
        """Whether a client has any example in this batch; shape ``()`` or ``(clients,)``."""
        return self.weights.sum(-1) > 0

    @property
    def is_stack(self) -> bool:
        """Whether there is a client axis."""
        return self.weights.dim() > 1
