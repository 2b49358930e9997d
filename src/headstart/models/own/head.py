"""The head of an own network: the last linear layer, which makes its output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.core.errors import ModelError
from headstart.models.checkpoints.hub import first_line
from headstart.models.modules import Call, calls_of
from headstart.models.own.inputs import INSIDE, Reads


@dataclass(frozen=True)
class Head:
    """Where a module ends.

    Attributes:
        name: of its last linear layer, in the module that reads prepared inputs.
        layer: it.
        said: what is to be known of what came after it; empty if nothing did.
    """

    name: str
    layer: nn.Linear
    said: str = ""

    @property
    def own_name(self) -> str:
        """Its name in the user's module; empty where that is nothing but a head."""
        return self.name[len(INSIDE) :]

    def has(self, name: str) -> bool:
        """Say whether a name in the user's module is of one of its weights."""
        return name in (f"{self.own_name}.{kind}".lstrip(".") for kind in ("weight", "bias"))


@torch.no_grad()
def find_head(reads: Reads, named: str | None, backbone: str) -> Head:
    """Find the linear layer that makes the output, or look whether the one that is named can be the head.

    Raises:
        ModelError: the module fails on such inputs, or has no such layer.
    """
    with calls_of(reads.module) as calls:
        made = run(reads, reads.probes[0], backbone)
    _check_same(made, run(reads, reads.probes[0], backbone), backbone)
    linear = [call for call in calls if isinstance(call.module, nn.Linear)]
    call = _named(linear, named, backbone) if named else _last(linear, backbone)
    name = call.name.removeprefix(INSIDE)
    if sum(one.name == call.name for one in linear) > 1 or call.read.dim() != 2:
        raise ModelError(
            f"model.head: a head must be called once, on one feature vector per example, and '{name}' of '{backbone}' "
            f"reads {tuple(call.read.shape)}; pool before it"
        )
    said = _after(made, call.made, named, name, backbone)
    return Head(call.name, call.module, said)  # type: ignore[arg-type]


def _check_same(made: Any, again: Any, backbone: str) -> None:
    """Check that a module gives finite scores, and the same at every call.

    Raises:
        ModelError: it does not.
    """
    one, other = logits_of(made), logits_of(again)
    if one is None or other is None:
        return
    if not torch.isfinite(one).all():
        raise ModelError(
            f"model.backbone: '{backbone}' must give finite scores, received others on made-up inputs; mend its weights"
        )
    if not torch.equal(one, other):
        raise ModelError(
            f"model.backbone: '{backbone}' must give the same at every call, received other scores (dropout by "
            "a function that is not told training=self.training?); mend it"
        )


def run(reads: Reads, inputs: Tensor, backbone: str) -> Any:
    """Run a module on stored inputs.

    Raises:
        ModelError: it fails.
    """
    try:
        return reads.module(reads.prepare(inputs))
    except Exception as error:  # a user's forward may raise anything
        raise ModelError(
            f"model.backbone: '{backbone}' fails on inputs of shape {tuple(inputs.shape[1:])}: {type(error).__name__}: "
            f"{first_line(error)}; {_way_out(inputs)}"
        ) from error


def _way_out(inputs: Tensor) -> str:
    if inputs.dtype == torch.int32:
        return "its embedding must hold every token of model.tokenizer"
    return "set data.image_size to what it reads" if inputs.dim() == 4 else "its first layer must read all columns"


def _named(linear: list[Call], named: str, backbone: str) -> Call:
    found = next((call for call in linear if call.name == INSIDE + named), None)
    if found is None:
        names = list(dict.fromkeys(call.name.removeprefix(INSIDE) for call in linear))
        raise ModelError(
            f"model.head: must be a linear layer that '{backbone}' calls, received {named!r}; it has "
            f"{', '.join(names[-5:]) or 'none'}"
        )
    return found


def _last(linear: list[Call], backbone: str) -> Call:
    if not linear:
        raise ModelError(
            f"model.backbone: the last layer of '{backbone}' must be an nn.Linear, received a module that calls none; "
            "put one there"
        )
    return linear[-1]


def _after(output: Any, made: Tensor, named: str | None, name: str, backbone: str) -> str:
    """Say what becomes of a head's output.

    Raises:
        ModelError: something that was not expected.
    """
    logits = logits_of(output)
    if logits is not None and logits.numel() == made.numel():
        logits = logits.reshape(made.shape)  # one output may be squeezed
        if torch.equal(logits, made):
            return ""
        softmaxes = (functional.log_softmax(made, -1), functional.softmax(made, -1), torch.sigmoid(made))
        if any(torch.allclose(logits, one, atol=1e-5) for one in softmaxes):
            return f"the softmax or sigmoid after '{name}' is left out, for losses read what comes before it"
    if not named:
        received = "no tensor of scores" if logits is None else f"shape {tuple(logits.shape)}"
        raise ModelError(
            f"model.head: the last linear layer must make the output, and '{backbone}' changes what '{name}' makes "
            f"({received}, from {tuple(made.shape)}); name the head, model.head = '{name}', if that may be left out"
        )
    return f"what '{backbone}' does after its head '{name}' is left out"


def logits_of(output: Any) -> Tensor | None:
    """Return the scores in what a module gives: a tensor, the first of several, or what is named ``logits``."""
    if isinstance(output, dict) or hasattr(output, "logits"):
        output = output.get("logits") if isinstance(output, dict) else output.logits
    elif isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None
