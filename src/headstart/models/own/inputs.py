"""What an own network reads: pictures, a table's rows, or tokens of texts; and made-up ones to look at it with."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headstart.core.errors import ModelError
from headstart.models.checkpoints.images import IMAGENET
from headstart.models.checkpoints.tokens import read_tokenizer
from headstart.models.preprocessing import PrepareImages, PrepareTokens, PrepareVectors, Shape
from headstart.models.spec import ModelSpec

_MASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "attention_mask": lambda real: real.to(torch.int64),
    "key_padding_mask": lambda real: ~real,
    "mask": lambda real: real.to(torch.int64),
    "padding_mask": lambda real: ~real,
    "src_key_padding_mask": lambda real: ~real,
}
"""Names of a second argument that says where a text's tokens are, as Transformers and PyTorch write it."""

_LONGEST = 7
"""Tokens of the texts that are made up."""


@dataclass(frozen=True)
class Reads:
    """What a network reads.

    Attributes:
        module: reads prepared inputs alone; inside it, as ``module``, is the user's own.
        prepare: turns stored inputs into prepared ones.
        probes: stored inputs that are made up: two rows, and three other ones.
        longest: the longest text that it will read; None of other inputs.
        said: how inputs are prepared, in words; empty where there is nothing to say.
    """

    module: nn.Module
    prepare: Callable[[Tensor], Tensor]
    probes: tuple[Tensor, Tensor]
    longest: Tensor | None = None
    said: str = ""


INSIDE = "module."
"""Before the names of the user's own module, in those of the one that it is in."""


class _ReadsInputs(nn.Module):
    """Hands prepared inputs to a module, and nothing else that its forward may take.

    Args:
        module: the user's own.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, prepared: Tensor) -> Any:
        """Run a batch."""
        return self.module(prepared)


class _ReadsTokens(nn.Module):
    """Hands tokens ``(batch, tokens)``, -1 where padded, to a module as it takes them.

    Args:
        module: the user's own.
        padding: the tokenizer's number for padding.
        mask: name of the argument that says where tokens are; empty if it takes none.
    """

    def __init__(self, module: nn.Module, padding: int, mask: str) -> None:
        super().__init__()
        self.module, self.padding, self.mask = module, padding, mask

    def forward(self, tokens: Tensor) -> Any:
        """Run a batch."""
        real = tokens >= 0
        masks = {self.mask: _MASKS[self.mask](real)} if self.mask else {}
        return self.module(tokens.where(real, self.padding), **masks)


def reads(module: nn.Module, spec: ModelSpec, shape: Shape) -> Reads:
    """Look how a module takes its inputs.

    Args:
        module: the user's own.
        spec: how pixels are scaled, and the tokenizer of texts.
        shape: of one stored input.

    Raises:
        ModelError: it takes more than one input, or images of other channels; a tokenizer is not named.
    """
    mask = _mask_of(module, spec.backbone, texts=shape == ())
    if shape == ():
        tokenizer, most = read_tokenizer(spec)
        reader = _ReadsTokens(module, int(tokenizer.pad_token_id or 0), mask)
        longest = torch.ones(1, most, dtype=torch.int32)
        return Reads(reader, PrepareTokens(), _texts(len(tokenizer)), longest)
    alone, generator = _ReadsInputs(module), torch.Generator().manual_seed(0)
    if len(shape) == 1:
        rows, more = torch.randn(2, *shape, generator=generator), torch.randn(3, *shape, generator=generator)
        return Reads(alone, PrepareVectors(), (rows, more))
    images, others = (
        torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8) for count in (2, 3)
    )
    prepare = _pixels(module, spec, shape[0])
    return Reads(alone, prepare, (images, others), said=_said(prepare))


def _pixels(module: nn.Module, spec: ModelSpec, stored: int) -> PrepareImages:
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    channels = first.in_channels if first else stored
    if stored not in (1, channels):
        raise ModelError(
            f"data.channels: '{spec.backbone}' reads {channels} channels (or grey, repeated), received images of "
            f"{stored}; set channels = {channels}"
        )
    mean, std = IMAGENET if channels == 3 else ((0.5,), (0.5,))
    for name, values in (("mean", spec.mean), ("std", spec.std)):
        if values is not None and len(values) not in (1, channels):
            raise ModelError(
                f"model.{name}: must have one number, or one for each of the {channels} channels that "
                f"'{spec.backbone}' reads, received {len(values)}; give so many"
            )
    return PrepareImages(channels, spec.mean or mean, spec.std or std)


def _said(prepare: PrepareImages) -> str:
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (prepare.mean, prepare.std))
    return f"pixels in [0, 1], less model.mean = {mean}, over model.std = {std}"


def _mask_of(module: nn.Module, name: str, *, texts: bool) -> str:
    """Return the argument for a text's mask.

    Raises:
        ModelError: the module needs more inputs than one.
    """
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes = [one for one in inspect.signature(module.forward).parameters.values() if one.kind in kinds]
    mask = next((one.name for one in takes[1:] if texts and one.name in _MASKS), "")
    needed = [one.name for one in takes[1:] if one.default is one.empty and one.name != mask]
    if needed or not takes:
        raise ModelError(
            f"model.backbone: '{name}' must read one input (and a mask of texts), received a forward that takes "
            f"{', '.join(repr(one.name) for one in takes) or 'any'}; give the others defaults (of a wrapper, such as "
            "DataParallel or torch.compile, give the module inside)"
        )
    return mask


def _texts(size: int) -> tuple[Tensor, Tensor]:
    """Make up texts of tokens all over the vocabulary, the second of each batch shorter."""
    generator = torch.Generator().manual_seed(0)
    two, three = (
        torch.randint(0, size, (count, length), generator=generator, dtype=torch.int32)
        for count, length in ((2, _LONGEST), (3, _LONGEST - 2))
    )
    two[0, 1], two[1, 3:], three[1, 2:] = size - 1, -1, -1
    return two, three
