"""A network as PyTorch alone can build it: names of the weights, and the code whose module has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from headstart.core.errors import ModelError
from headstart.export.checkpoint import config_of, image_code, text_code
from headstart.export.code import OWN, Code
from headstart.export.leaving import Leaving
from headstart.models.own import own_state
from headstart.models.preprocessing import PrepareVectors
from headstart.models.random_features import is_mapped

_PLAIN: tuple[type[nn.Module], ...] = (
    *(nn.Linear, nn.Conv2d, nn.Flatten, nn.Dropout),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    *(nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm),
)
"""Layers whose ``repr`` builds them anew."""


@dataclass(frozen=True, eq=False)
class Portable:
    """Weights by the names that a module of PyTorch has, and what builds that module.

    Attributes:
        tensors: its ``state_dict``.
        code: builds it.
        write: writes the further files that the code reads.
    """

    tensors: Mapping[str, Tensor]
    code: Code
    write: Callable[[Path], None] = lambda _folder: None


def portable(leaving: Leaving) -> Portable:
    """Return a model as PyTorch can load it.

    Raises:
        ModelError: the network is none that PyTorch, or Transformers, could build anew.
    """
    if is_mapped(leaving.network):
        raise ModelError(
            "format: a network with random_features is none that PyTorch or Transformers could build anew; give "
            "--format onnx"
        )
    config = config_of(leaving)
    if config is not None:
        code = text_code if leaving.examples.kind == "text" else image_code
        return Portable(_of_backbone(leaving), code(leaving, config), config.save_pretrained)
    if leaving.network.names:
        return Portable(own_state(leaving.network, leaving.weights), OWN)
    return _plain(leaving)


def _of_backbone(leaving: Leaving) -> dict[str, Tensor]:
    """Name weights as a module with ``backbone`` and ``head`` does."""
    names = leaving.network.names
    return {f"backbone.{names[name]}" if name in names else name: value for name, value in leaving.state.items()}


def _plain(leaving: Leaving) -> Portable:
    """Put the layers of a built-in network in one row."""
    network, layers = leaving.network, dict[str, nn.Module]()
    for name, layer in _layers(network.blocks, "blocks"):
        if not isinstance(layer, _PLAIN):
            raise ModelError(
                f"format: the layers of '{network.name}' must be PyTorch's own, in a row, received "
                f"{type(layer).__name__}; give --format onnx"
            )
        layers[name] = layer
    first = ["nn.Flatten()"] if isinstance(network.prepare, PrepareVectors) else []
    row = [*first, *(f"nn.{layer!r}" for layer in layers.values()), f"nn.{network.head!r}"]
    places = {name: len(first) + place for place, name in enumerate([*layers, "head"])}
    tensors = {f"{places[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": v for name, v in leaving.state.items()}
    return Portable(tensors, Code(build=_in_a_row(row)))


def _layers(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of rows of layers, with their names; those that do nothing are left out."""
    for child, layer in module.named_children():
        if isinstance(layer, nn.Sequential):
            yield from _layers(layer, f"{name}.{child}")
        elif not isinstance(layer, nn.Identity):
            yield f"{name}.{child}", layer


def _in_a_row(layers: list[str]) -> str:
    lines = "".join(f"        {layer},\n" for layer in layers)
    return (
        'def build():\n    """Return the network, its weights still random."""\n'
        f"    return nn.Sequential(\n{lines}    )\n"
    )
