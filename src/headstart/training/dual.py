"""Softmax regression by gradient descent, in dual form.

A head that is trained from ``W`` with plain or heavy-ball SGD never leaves ``scale * W + A F``, where ``F`` are the
client's features and ``A`` has one coefficient per class and example (the representer theorem; Schölkopf, Herbrich,
Smola: *A Generalized Representer Theorem*, COLT 2001). So the steps can be taken on the logits of the examples and on
``A``, with the features' inner products, and the features themselves are read twice: before and after. SGD is linear
in its gradients and parameters, so that momentum and weight decay act on these as on the weights.

Walks of several stacks, such as those of all seeds and trials of an arm, are taken in step. Whose walks are taken
together changes no bit: products are computed client by client, and all else number by number, each in one rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from headstart.core import trees
from headstart.core.trees import Params, Tree
from headstart.models.batch import Batch
from headstart.training.client_data import DualPasses
from headstart.training.products import SMALL, products

_MOST_NUMBERS = 2**24
"""Inner products of walks that are taken in step; with more of them a step's overhead is nothing beside its work."""


@dataclass(frozen=True, eq=False)
class DualWalk:
    """What a stack of heads does: plain steps, in a given order.

    Attributes:
        params: ``head.weight`` ``(clients, classes, features)`` and ``head.bias`` ``(clients, classes)``.
        examples: every client's, features ``(clients, n, features)``.
        passes: in which order they are met.
        lr: step size.
        momentum: heavy-ball momentum, in [0, 1).
        weight_decay: L2.
    """

    params: Params
    examples: Batch
    passes: DualPasses
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0

    @property
    def steps(self) -> int:
        """Number of minibatches."""
        return self.passes.positions.shape[1]

    @cached_property
    def features(self) -> Tensor:
        """Every client's features, in the type of the head."""
        return self.examples.inputs.to(self.params["head.weight"].dtype)

    @property
    def is_small(self) -> bool:
        """Whether a step is mostly overhead, and its products are those of :func:`products` for small ones."""
        classes, (_, _, batch) = self.params["head.weight"].shape[1], self.passes.positions.shape
        return bool(classes * batch * self.passes.gram.shape[-1] <= SMALL)

    @property
    def kind(self) -> tuple[object, ...]:
        """What must be the same for walks to be taken in step."""
        weight, (_, _, batch) = self.params["head.weight"], self.passes.positions.shape
        sizes = (weight.shape[1], self.passes.gram.shape[-1], batch)
        return (*sizes, weight.dtype, weight.device, self.momentum, self.weight_decay > 0)


def descend_dual(walks: Sequence[DualWalk]) -> list[Params]:
    """Train stacks of heads; equal to the same steps on the weights, but for rounding."""
    found: dict[int, Params] = {}
    order = sorted(range(len(walks)), key=lambda i: (str(walks[i].kind), -walks[i].steps))
    for _, alike in groupby(order, key=lambda i: walks[i].kind):
        for some in _parts(list(alike), walks):
            found |= zip(some, _in_step([walks[i] for i in some]), strict=True)
    return [found[i] for i in range(len(walks))]


def _parts(alike: Sequence[int], walks: Sequence[DualWalk]) -> Iterator[list[int]]:
    """Split walks such that none of the parts is large, unless one walk alone is."""
    part, total = list[int](), 0
    for i in alike:
        numbers = walks[i].passes.gram.numel()
        if part and (total + numbers > _MOST_NUMBERS or not walks[i].is_small):
            yield part
            part, total = [], 0
        part.append(i)
        total += numbers
    yield part


def _in_step(walks: Sequence[DualWalk]) -> list[Params]:
    """Take walks of one kind in step, those of most steps first."""
    counts = [len(walk.passes.positions) for walk in walks]
    trained = _descend(_Stack(walks))
    parts = zip(*(torch.split(value, counts) for value in trained.values()), strict=True)
    return [_head(walk, dict(zip(trained, own, strict=True))) for walk, own in zip(walks, parts, strict=True)]


def _head(walk: DualWalk, trained: Tree) -> Params:
    """Return the weights that a walk's coefficients stand for."""
    weight, bias = walk.params["head.weight"], walk.params["head.bias"]
    if walk.weight_decay:
        weight, bias = trained["scale"].view(-1, 1, 1) * weight, trained["scale"].view(-1, 1) * bias
    coefficients = trained["coefficients"].transpose(0, 1).contiguous().transpose(0, 1)
    change = products(coefficients, walk.features)
    return {"head.weight": change.add_(weight), "head.bias": coefficients.sum(-1) + bias}


class _Stack:
    """Walks of one kind, their clients one after another.

    Args:
        walks: those of most steps first, so that those who still go are always the first clients.
    """

    def __init__(self, walks: Sequence[DualWalk]) -> None:
        self.walks, self.steps = walks, walks[0].steps
        self.positions = _joined([walk.passes.positions for walk in walks], self.steps)
        self.weights = _joined([_shares(walk) for walk in walks], self.steps)
        self.labels = _joined([_labels(walk) for walk in walks], self.steps)
        self._table = torch.cat([walk.passes.gram.flatten(0, 1) for walk in walks])
        first = torch.arange(len(self.positions), device=self.positions.device).mul_(walks[0].passes.gram.shape[1])
        self._places = self.positions + first.view(-1, 1, 1)
        self._ends = np.cumsum([len(walk.passes.positions) for walk in walks]).tolist()

    def start(self) -> Tree:
        """Return the first logits and coefficients, ``(clients, classes, n)``, and scales of the weights.

        Classes are the outer axis in memory: what goes over them then goes over long runs of numbers.
        """
        logits = torch.cat([_logits_of(walk) for walk in self.walks], dim=1).transpose(0, 1)
        state = {"logits": logits, "coefficients": torch.zeros_like(logits)}
        return state | ({"scale": logits.new_ones(len(logits))} if self.walks[0].weight_decay else {})

    def each(self, name: str, like: Tensor) -> Tensor:
        """Return a setting of the walks for every client."""
        counts = torch.tensor([len(walk.passes.positions) for walk in self.walks])
        values = torch.tensor([getattr(walk, name) for walk in self.walks], dtype=like.dtype)
        return torch.repeat_interleave(values, counts).to(like.device)

    def going(self, step: int) -> int:
        """Return how many clients take a step, the first ones."""
        return int(max(end for end, walk in zip(self._ends, self.walks, strict=True) if walk.steps > step))

    def rows(self, step: int, clients: int) -> Tensor:
        """Return the inner products of a step's examples with all of their client's, ``(clients, batch, n)``."""
        places = self._places[:clients, step]
        return self._table.index_select(0, places.reshape(-1)).view(*places.shape, -1)

    def is_full(self, step: int) -> bool:
        """Say whether every client that takes a step has an example in it."""
        return all(walk.passes.full[step] for walk in self.walks if walk.steps > step)


def _joined(parts: Sequence[Tensor], steps: int) -> Tensor:
    """Put the clients of several walks one after another, ``(clients, steps, batch)``, the shorter ones padded."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat([functional.pad(part, (0, 0, 0, steps - part.shape[1])) for part in parts])


def _labels(walk: DualWalk) -> Tensor:
    positions = walk.passes.positions
    return walk.examples.labels.gather(1, positions.reshape(len(positions), -1)).view_as(positions)


def _shares(walk: DualWalk) -> Tensor:
    """Return the weights of a step's examples, over their sum."""
    totals = walk.passes.weights.sum(-1, keepdim=True)
    shares: Tensor = walk.passes.weights / totals.clamp_min(torch.finfo(totals.dtype).tiny)
    return shares


def _logits_of(walk: DualWalk) -> Tensor:
    """Return ``(classes, clients, n)``; one product if all clients have one head."""
    weight, bias, features = walk.params["head.weight"], walk.params["head.bias"], walk.features
    if weight.stride(0) == 0:
        scores = (weight[0] @ features.flatten(0, 1).mT).view(-1, *features.shape[:2])
    else:
        scores = products(weight, features.mT).transpose(0, 1).contiguous()
    return scores.add_(bias.transpose(0, 1).unsqueeze(-1))


def _descend(stack: _Stack) -> Tree:
    """Take all steps."""
    state = stack.start()
    momentum, decays = stack.walks[0].momentum, stack.walks[0].weight_decay > 0
    velocity = trees.zeros_like(state) if momentum else {}
    lr, decay = (stack.each(name, state["logits"]) for name in ("lr", "weight_decay"))
    for step in range(stack.steps):
        clients = stack.going(step)
        now, moving = _first(state, clients), _first(velocity, clients)
        before = None if stack.is_full(step) else (trees.clone(now), trees.clone(moving))
        slope = _gradient(stack, step, now)
        for name, value in now.items():
            shape = (-1, *(1,) * (value.dim() - 1))
            direction = slope[name]
            # One operation, one rounding: what is fused differs with an array's place in a vector.
            if decays:
                direction = direction.add_(value * decay[:clients].view(shape))
            if momentum:
                direction = moving[name].mul_(momentum).add_(direction)
            value.sub_(direction * lr[:clients].view(shape))
        if before:
            _leave_idle(stack.weights[:clients, step].amax(-1) == 0, (now, moving), before)
    return state


def _first(state: Tree, clients: int) -> Tree:
    return {name: value[:clients] for name, value in state.items()}


def _leave_idle(idle: Tensor, now: tuple[Tree, Tree], before: tuple[Tree, Tree]) -> None:
    """Put back what clients without an example in a step had before it."""
    for tree, old in zip(now, before, strict=True):
        trees.restore(idle, tree, old)


def _gradient(stack: _Stack, step: int, state: Tree) -> Tree:
    """Return the gradient with respect to logits and coefficients; the scale of the first weights has none."""
    logits = state["logits"].transpose(0, 1)
    clients = logits.shape[1]
    positions = stack.positions[:clients, step].expand(len(logits), -1, -1)
    residual, labels = _softmax(logits.gather(2, positions)), stack.labels[:clients, step]
    residual.scatter_add_(0, labels.unsqueeze(0), residual.new_full((), -1.0).expand(1, *labels.shape))
    residual *= stack.weights[:clients, step].to(residual.dtype)
    slope = {
        "logits": products(residual.transpose(0, 1), stack.rows(step, clients), out=_like(logits)),
        "coefficients": torch.zeros_like(logits).scatter_add_(2, positions, residual).transpose(0, 1),
    }
    return slope | {name: torch.zeros_like(value) for name, value in state.items() if name == "scale"}


def _like(logits: Tensor) -> Tensor:
    """Return room for a slope, classes outermost in memory."""
    return logits.new_empty(logits.shape).transpose(0, 1)


def _softmax(logits: Tensor) -> Tensor:
    """Return the softmax over the first axis: PyTorch's differs with a number's place in the array."""
    if not logits.is_cpu:
        return functional.softmax(logits, dim=0)
    scores = logits.numpy()
    raised = np.exp(scores - scores.max(axis=0))
    # One number after another, where NumPy would otherwise add up in pairs.
    total = raised.sum(axis=0) if raised[0].size > 1 else np.add.accumulate(raised, axis=0)[-1]
    return torch.from_numpy(np.divide(raised, total, out=raised))
