"""Many clients' adapters over one frozen base, as one batch.

The frozen weights are the same for all clients, so that all their examples go through them together; the low-rank
parts alone are each client's own: ``x W' + alpha / rank (x A') B'``, two batched products of narrow matrices (Hu et
al.: LoRA. ICLR 2022, equation 3; many adapters in one batch: Chen et al.: Punica. MLSys 2024,
https://arxiv.org/abs/2310.18547). No client's merged weights exist, nor their gradients.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from headstart.core.faults import fault_of
from headstart.core.trees import Params, unstack
from headstart.models.batch import Batch
from headstart.models.modules import replace_module
from headstart.models.network import Network

_NEAR = 1e-2
"""How far scores may be off by rounding, in shares of the largest: a layer left out is off by far more."""

_NEAR_LOWERED = 0.1
"""The same where blocks multiply in a type of fewer digits."""


@dataclass(frozen=True, eq=False)
class SharedBase:
    """A network whose adapted layers read a stack of clients' examples, client by client.

    Attributes:
        network: the skeleton with adapters in their places.
        cut: the first block above the frozen activations.
        frozen: weights and buffers above the cut that do not train, by the skeleton's names.
    """

    network: Network
    cut: int
    frozen: Params
    _refusals: dict[tuple[torch.dtype, torch.device], str] = field(default_factory=dict)

    def logits(self, params: Params, inputs: Tensor) -> Tensor:
        """Return scores ``(clients, batch, outputs)`` of a stack from activations ``(clients, batch, …)``."""
        weights = self.frozen | {_in_place(name): value for name, value in params.items()}
        stop = self.network.depth
        features: Tensor = functional_call(
            self.network, weights, (inputs.flatten(0, 1), self.cut, stop), tie_weights=False
        )
        head = params["head.weight"]
        own = features.to(head.dtype).view(*inputs.shape[:2], -1)
        return torch.baddbmm(params["head.bias"].unsqueeze(-2), own, head.mT)

    def gradient(self, params: Params, batch: Batch) -> Params:
        """Return each client's gradient of its own weighted mean loss; 0 for a client without an example."""
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        scores = self.logits(leaves, batch.inputs)
        slope = self.network.loss.slope(scores.detach(), batch.labels, batch.weights)
        found = torch.autograd.grad(scores, list(leaves.values()), slope, allow_unused=True, materialize_grads=True)
        return dict(zip(leaves, found, strict=True))

    def why_not(self, alone: Callable[[Params, Tensor], Tensor], params: Params, inputs: Tensor) -> str:
        """Say why these clients cannot be one batch; empty if they can. It is tried once, by type and device.

        A module may mix a batch's examples, or read a layer's weight without calling the layer: scores are then others
        than those of a client alone.

        Args:
            alone: scores of one client.
            params: a stack.
            inputs: its activations at the cut.
        """
        like = params["head.bias"]
        if (like.dtype, like.device) not in self._refusals:
            few = _few(inputs)
            if not bool((few != few[:1, :1]).any()):
                return "its examples are all alike"  # others will show whether they are mixed
            self._refusals[like.dtype, like.device] = self._tried(alone, _drawn(params), few)
        return self._refusals[like.dtype, like.device]

    def _tried(self, alone: Callable[[Params, Tensor], Tensor], stack: Params, few: Tensor) -> str:
        try:
            # PyTorch's modules may take another road where nothing is differentiated.
            pairs = [self._both(alone, stack, few, differentiated=flag) for flag in (True, False)]
        except Exception as error:  # a user's own module may do anything
            if fault_of(error):
                raise
            return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        near = _NEAR if self.network.precision == "float32" else _NEAR_LOWERED
        off = any(bool((one - each).abs().max() > near * each.abs().max()) for one, each in pairs)
        return "scores of clients in one batch are others than alone" if off else ""

    def _both(
        self, alone: Callable[[Params, Tensor], Tensor], stack: Params, few: Tensor, *, differentiated: bool
    ) -> tuple[Tensor, Tensor]:
        """Return two clients' scores, together and one after the other."""
        with torch.set_grad_enabled(differentiated):
            together = self.logits(stack, few)
            each = torch.stack([alone(unstack(stack, client), few[client]) for client in range(2)])
        return together.detach(), each.detach()


def shared_base(network: Network, cut: int, frozen: Mapping[str, Tensor], adapters: Params, scale: float) -> SharedBase:
    """Return a network of the same function whose adapted layers take many clients at once.

    Args:
        network: any; it stays as it is, and its tensors are not copied.
        cut: the first block that is run.
        frozen: what does not train, above the cut.
        adapters: names say which layers are adapted, and of which size.
        scale: of the adapters.
    """
    own = {id(value): value for value in (*network.parameters(), *network.buffers())}
    skeleton = copy.deepcopy(network, dict(own))
    for name in adapters:
        layer, _, matrix = name.removeprefix("lora.").rpartition(".")
        if matrix == "A":
            linear = cast(nn.Linear, skeleton.get_submodule(layer))
            replace_module(skeleton, layer, _Adapted(linear, adapters[name], adapters[f"lora.{layer}.B"], scale))
    return SharedBase(skeleton.eval(), cut, {_in_place(name): value for name, value in frozen.items()})


class _Adapted(nn.Module):
    """A linear layer for rows of many clients, which lie client by client, and each client's change of it."""

    def __init__(self, linear: nn.Linear, a: Tensor, b: Tensor, scale: float) -> None:
        super().__init__()
        self.weight, self.bias, self.scale = linear.weight, linear.bias, scale
        self.in_features, self.out_features = a.shape[-1], b.shape[-2]
        self.A, self.B = nn.Parameter(a), nn.Parameter(b)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map ``(clients x batch, …, inputs)`` to outputs; A may be the same for all clients."""
        found = nn.functional.linear(hidden, self.weight, self.bias)
        narrow = hidden.reshape(len(self.B), -1, self.in_features) @ self.A.mT
        changed = torch.baddbmm(found.reshape(len(self.B), -1, self.out_features), narrow, self.B.mT, alpha=self.scale)
        return changed.view_as(found)


def _in_place(name: str) -> str:
    """Return an adapter's name within its layer, any other weight's name as it is."""
    return name.removeprefix("lora.")


def _drawn(params: Params) -> Params:
    """Return two clients' weights of these shapes, unlike and not small: fresh adapters would change nothing."""
    generator = torch.Generator().manual_seed(0)
    return {name: _draw((2, *value.shape[1:]), generator).to(value) for name, value in params.items()}


def _draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) / math.sqrt(shape[-1])


def _few(inputs: Tensor) -> Tensor:
    """Return two examples for each of two clients, of a stack's first and last."""
    flat = inputs.flatten(0, 1)
    rows = torch.linspace(0, len(flat) - 1, 4, device=inputs.device).long()
    return flat[rows].view(2, 2, *flat.shape[1:])
