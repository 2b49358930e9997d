"""An own network as blocks in a row, which must do what it does itself: that is tried before anything else is done."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from headstart.core.errors import ModelError
from headstart.core.trees import Params
from headstart.models.modules import calls_of, replace_module
from headstart.models.own.head import Head
from headstart.models.own.inputs import INSIDE, Reads
from headstart.models.own.traced import Trace, called, trace

NEAR = 1e-3
"""How far two ways to the same features may be apart, in shares of the largest."""


def blocks_of(reads: Reads, head: Head, cuts: Sequence[str], backbone: str) -> list[nn.Module]:
    """Take a module apart: where its forward can be written down, at its modules; else it is one block.

    Args:
        reads: the module.
        head: of it.
        cuts: names of the modules with which a new block begins; empty looks for them.
        backbone: the network's name.

    Raises:
        ModelError: it cannot be cut where it should be, or there is no way to its features.
    """
    named = [INSIDE + name for name in cuts]
    found = trace(reads.module, head, reads.prepare(reads.probes[0]), named)
    blocks = list(_cut(found, _places(found, named, backbone))) if found else []
    if blocks and _same(blocks, reads, head):
        return blocks
    if named:
        raise ModelError(
            f"model.cuts: '{backbone}' cannot be cut, since its forward cannot be written down call by call, received "
            f"{list(cuts)}; leave them out, and it is a single block"
        )
    whole: list[nn.Module] = [_Whole(reads.module, head.name)]
    if not _same(whole, reads, head):
        raise ModelError(
            f"model.backbone: '{backbone}' cannot be taken apart: without its head '{head.name}' it gives other "
            "features than with it; compute the head's output by one nn.Linear in forward"
        )
    return whole


class _Whole(nn.Module):
    """A module up to what its head reads, as one block."""

    def __init__(self, module: nn.Module, head: str) -> None:
        super().__init__()
        self.module = copy.deepcopy(module)
        self.head = f"module.{head}"
        self.meta: dict[str, Params] = {}
        replace_module(self, self.head, _Catch())

    def forward(self, prepared: Tensor) -> Tensor:
        """Return features ``(batch, num_features)``."""
        catch: Any = self.get_submodule(self.head)
        self.module(prepared)
        features: Tensor = catch.caught.pop()
        return features


class _Catch(nn.Module):
    """Stands in the head's place and keeps what it would read."""

    def __init__(self) -> None:
        super().__init__()
        self.caught: list[Tensor] = []

    def forward(self, features: Tensor) -> Tensor:
        """Keep features."""
        self.caught[:] = [features]
        return features


def _places(found: Trace, cuts: Sequence[str], backbone: str) -> list[int]:
    """Return before which calls to cut, in order: those named, or each that has weights and can be cut off.

    Raises:
        ModelError: one that is named is not there, or cannot be cut off.
    """
    if not cuts:
        free = [place for place in range(1, len(found.nodes)) if _is_layer(called(found, place))]
        # What lies below the first layer has no weights, and is of its block.
        return _untied(found, [place for place in free[1:] if found.crossing(place)])
    calls = [(str(node.target), place) for place, node in enumerate(found.nodes) if node.op == "call_module"]
    targets = dict(reversed(calls))
    for name in cuts:
        if name not in targets or not found.crossing(targets[name]):
            able = [str(found.nodes[place].target).removeprefix(INSIDE) for place in _places(found, (), backbone)]
            raise ModelError(
                f"model.cuts: must be modules of '{backbone}' before which a single tensor goes on, received "
                f"{name.removeprefix(INSIDE)!r}; such are {', '.join(able) or 'none'}"
            )
    places = sorted({targets[name] for name in cuts})
    if _untied(found, places) != places:
        raise ModelError(f"model.cuts: no weight may be used on both sides of a cut, received {list(cuts)}; move one")
    return places


def _is_layer(module: nn.Module | None) -> bool:
    """Say whether a block may begin with a module: it has weights, and is no mere scale and shift."""
    return module is not None and any(value.dim() > 1 for value in module.parameters())


def _untied(found: Trace, places: Sequence[int]) -> list[int]:
    """Leave out cuts between two uses of the same weights."""
    uses: dict[int, list[int]] = {}
    for place in range(len(found.nodes)):
        for value in _parameters(found, place):
            uses.setdefault(id(value), []).append(place)
    return [place for place in places if not any(min(used) < place <= max(used) for used in uses.values())]


def _parameters(found: Trace, place: int) -> Iterator[nn.Parameter]:
    node, module = found.nodes[place], called(found, place)
    if module is not None:
        yield from module.parameters()
    elif node.op == "get_attr":
        home, _, name = str(node.target).rpartition(".")
        value = getattr(found.module.get_submodule(home), name, None)
        if isinstance(value, nn.Parameter):
            yield value


def _cut(found: Trace, places: Sequence[int]) -> Iterator[nn.Module]:
    """Yield the blocks between the cuts."""
    first = found.nodes[0]
    for begin, end in zip((1, *places), (*places, len(found.nodes)), strict=True):
        last = found.features if end == len(found.nodes) else found.crossing(end)
        block = _block(found, first, found.nodes[begin:end], last)  # type: ignore[arg-type]
        if _changes_its_input(block, found.values[first]):
            block = _block(found, first, found.nodes[begin:end], last, copied=True)  # type: ignore[arg-type]
        yield block
        first = last  # type: ignore[assignment]


def _block(
    found: Trace, first: fx.Node, nodes: Sequence[fx.Node], last: fx.Node, *, copied: bool = False
) -> fx.GraphModule:
    graph = fx.Graph()
    hidden = graph.placeholder("hidden")
    known = {first: graph.call_method("clone", (hidden,)) if copied else hidden}

    def place(node: fx.Node) -> fx.Node:
        # A weight that was fetched below a cut is fetched above it too.
        if node not in known:
            known[node] = graph.node_copy(node, place)
            _for_any_layout(known[node])
        return known[node]

    for node in nodes:
        place(node)
    graph.output(place(last))
    return fx.GraphModule(found.module, graph)


def _for_any_layout(node: fx.Node) -> None:
    """Let a view work where pixels lie otherwise in memory than the user had them."""
    if (
        node.op == "call_method"
        and node.target == "view"
        and not any(isinstance(one, torch.dtype) for one in node.args)
    ):
        node.target = "reshape"


@torch.no_grad()
def _changes_its_input(block: nn.Module, hidden: Tensor) -> bool:
    given = hidden.clone()
    block(given)
    return not torch.equal(given, hidden)


@torch.no_grad()
def _same(blocks: Sequence[nn.Module], reads: Reads, head: Head) -> bool:
    """Say whether blocks in a row give the head what it reads in the module itself, for two batches."""
    try:
        found = [(run_blocks(blocks, reads.prepare(probe)), _read_by(reads, head, probe)) for probe in reads.probes]
        return all(near(mine, own) for mine, own in found)
    except Exception:  # a user's code, with inputs that it was not written down for
        return False


def run_blocks(blocks: Sequence[nn.Module], hidden: Tensor) -> Tensor:
    """Run blocks one after another."""
    for block in blocks:
        hidden = block(hidden)
    return hidden


def near(one: Tensor, other: Tensor) -> bool:
    """Say whether two tensors are the same but for rounding."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=NEAR * float(other.abs().max()) + 1e-12)


def _read_by(reads: Reads, head: Head, probe: Tensor) -> Tensor:
    with calls_of(reads.module) as calls:
        reads.module(reads.prepare(probe))
    return next(call.read for call in calls if call.name == head.name)  # type: ignore[no-any-return]
