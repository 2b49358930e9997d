"""Weights on their way back into the user's own module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import Tensor, fx, nn

from headstart.core.errors import ModelError
from headstart.core.trees import Params
from headstart.models.network import Network
from headstart.models.own.content import tensors
from headstart.models.own.head import Head
from headstart.models.own.inputs import INSIDE
from headstart.models.random_features import is_mapped

_UNUSED = "unused"
"""Where a block keeps weights that forward never reads, which the user's module has all the same."""


def own_state(network: Network, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as the user's own module names them, for ``load_state_dict(…, strict=True)``.

    The module must have as many classes as the study. Counts of batches, and weights that forward never reads, are as
    they came. With ``batch_norm = "group"``, the module must have the GroupNorms too.

    Args:
        network: made of an own module.
        weights: all weights of the network, such as :attr:`headstart.Result.weights`.

    Raises:
        ModelError: the network is of no module of the user's own, or that cannot hold the weights.
    """
    if not network.names:
        raise ModelError(f"weights: '{network.name}' is not made of a module of the user's own; they load as they are")
    if is_mapped(network):
        raise ModelError(
            f"weights: the head of '{network.name}' reads random features, which the user's own module does not have; "
            "train without model.random_features"
        )
    bias = weights.get("head.bias")
    if "head.bias" not in network.names and bias is not None and bool(bias.any()):
        raise ModelError(
            f"weights: the head of '{network.name}' has a bias now, and the module's own has none; give it bias=True"
        )
    known = {**tensors(network), **weights}
    unused = [found for block in network.blocks for found in (_kept(block),) if found]
    state = {own: known[name].detach().cpu() for name, own in network.names.items()}
    return state | {name: value for found in unused for name, value in found.items()}


def names_of(module: nn.Module, blocks: Sequence[nn.Module], head: Head) -> dict[str, str]:
    """Map names in a network of these blocks to those in the user's own module."""
    own, names = tensors(module), {}
    for place, block in enumerate(blocks):
        inside = INSIDE if isinstance(block, fx.GraphModule) else INSIDE * 2
        for name in tensors(block):
            if name.removeprefix(inside) in own:
                names[f"blocks.{place}.{name}"] = name.removeprefix(inside)
    return names | {f"head.{name.rpartition('.')[2]}": name for name in own if head.has(name)}


def keep_unused(module: nn.Module, blocks: Sequence[nn.Module], used: Collection[str], head: Head) -> None:
    """Have the last block remember weights of a module that none of the blocks reads."""
    left = {name: value.detach().clone() for name, value in tensors(module).items() if name not in used}
    _room(blocks[-1])[_UNUSED] = {name: value for name, value in left.items() if not head.has(name)}


def _room(block: nn.Module) -> dict[str, Params]:
    # What a graph's module keeps beside its weights when it is copied.
    return block.meta  # type: ignore[return-value]


def _kept(block: nn.Module) -> Params:
    found: Params = getattr(block, "meta", {}).get(_UNUSED, {})
    return found
