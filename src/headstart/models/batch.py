"""One minibatch, as a model reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from headstart.core.trees import Params


@dataclass(frozen=True, eq=False)
class NoisyStep:
    """How the gradient of a batch hides its examples, see :mod:`headstart.models.noisy`.

    Attributes:
        clip: L2 norm to which the gradient of an example is shortened.
        expected: examples that the batch was expected to have, ``()`` or ``(clients,)``.
        goes: who takes the step, with an example or without, ``()`` or ``(clients,)`` bool.
        noise: draws noise of the shapes of a tree, anew at every call.
    """

    clip: float
    expected: Tensor
    goes: Tensor
    noise: Callable[[Params], Params]


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
        noisy: how its gradient hides single examples; None where it does not.
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor
    full: bool = False
    draws: Tensor | None = None
    keep: Tensor | None = None
    lr_factor: Tensor | None = None
    noisy: NoisyStep | None = None

    @property
    def active(self) -> Tensor:
        """Whether a client takes this step: it has any example in it, or hides that it has none; as ``weights.sum``."""
        return self.weights.sum(-1) > 0 if self.noisy is None else self.noisy.goes

    @property
    def is_stack(self) -> bool:
        """Whether there is a client axis."""
        return self.weights.dim() > 1
