"""The loop that every gradient method shares: one step per batch, for one client or a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.trees import Tree
from headstart.training.optimizers import Optimizer


class _Minibatch(Protocol):
    """What the loop asks of a batch."""

    @property
    def full(self) -> bool:
        """Whether every client is known to have an example in it."""
        ...

    @property
    def active(self) -> Tensor:
        """Which clients have an example in it."""
        ...

    @property
    def lr_factor(self) -> Tensor | None:
        """What the step size is multiplied by, ``()`` or ``(clients,)``; None for 1."""
        ...


B = TypeVar("B", bound=_Minibatch)


def descend(
    gradient: Callable[[Tree, B], Tree], params: Tree, state: Tree, batches: Iterable[B], optimizer: Optimizer
) -> tuple[Tree, Tree]:
    """Take one optimiser step per batch; return parameters and optimiser state, and leave the arguments alone.

    A client of a stack that has no example in a batch is left as it was, its optimiser state too: weighting its loss
    by zero would not do, since momentum, weight decay and a regulariser would still move it.
    """
    params, state = trees.clone(params), trees.clone(state)
    for batch in batches:
        take_step(gradient, optimizer, params, state, batch)
    return params, state


def take_step(gradient: Callable[[Tree, B], Tree], optimizer: Optimizer, params: Tree, state: Tree, batch: B) -> None:
    """Take one step in place, as :func:`descend` does."""
    slope = gradient(params, batch)
    if batch.full and batch.lr_factor is None:
        optimizer.step(slope, state, params)
        return
    before = trees.clone(params), trees.clone(state)
    optimizer.step(slope, state, params)
    if batch.lr_factor is not None:
        _shorten(params, before[0], batch.lr_factor)
    trees.restore(~batch.active, params, before[0])
    trees.restore(~batch.active, state, before[1])


def _shorten(params: Tree, before: Tree, factor: Tensor) -> None:
    """Go only so far, in place; every optimiser's step is in proportion to its step size."""
    for name, value in params.items():
        own = factor.to(value.dtype).reshape(factor.shape + (1,) * (value.dim() - factor.dim()))
        value.copy_(torch.lerp(before[name], value, own))


def gradient_of(loss: Callable[[Tree], Tensor], params: Tree) -> Tree:
    """Return the gradient of a loss at ``params``, of one client or, where it gives one for each, of a stack.

    >>> gradient_of(lambda tree: (tree["w"] ** 2).sum(-1), {"w": torch.tensor([[1.0], [2.0]])})
    {'w': tensor([[2.],
            [4.]])}
    """
    leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
    # Clients of a stack share no parameters: the gradient of their sum is each one's own.
    total = loss(leaves).sum()
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(leaves, gradients, strict=True))
