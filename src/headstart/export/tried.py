"""What was written, tried as a user would: loaded anew, run on examples, compared with the study's own predictions."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.arrays import Array
from headstart.core.errors import ModelError
from headstart.export.checkpoint import NEAR
from headstart.export.code import NAME
from headstart.export.leaving import Leaving


@dataclass(frozen=True)
class Compared:
    """How near an export's predictions are to the study's own.

    Attributes:
        examples: on how many it was tried.
        difference: the largest, of any output.
    """

    examples: int
    difference: float


def compared(leaving: Leaving, found: Array) -> Compared:
    """Compare predictions with the study's own.

    Raises:
        ModelError: they differ by more than rounding.
    """
    own = leaving.expected
    difference = float(np.abs(found - own).max(initial=0.0)) if found.shape == own.shape else float("inf")
    if not difference <= NEAR * max(1.0, float(np.abs(own).max(initial=0.0))):
        raise ModelError(
            f"export: what is written must predict as the study does, to {NEAR:g}, received a difference of "
            f"{difference:.1e} with '{leaving.network.name}'; give another --format"
        )
    return Compared(len(own), difference)


@torch.no_grad()
def try_code(leaving: Leaving, folder: Path) -> Compared:
    """Load a folder by its own code, and compare."""
    code = _imported(folder / NAME)
    scores = run(code.load(), leaving)
    return compared(leaving, code.predictions(scores).double().numpy())


@torch.inference_mode()
def run(module: nn.Module, leaving: Leaving, **options: Any) -> Tensor:
    """Return a module's scores of the examples that are tried, prepared as the study prepares them."""
    inputs = leaving.inputs
    parts = [_scores(module, leaving, some, options) for some in torch.split(inputs, _BATCH)]
    return torch.cat(parts)


_BATCH = 32


def _scores(module: nn.Module, leaving: Leaving, inputs: Tensor, options: dict[str, Any]) -> Tensor:
    if leaving.examples.kind == "text":
        found = module(**tokens_of(inputs), **options)
    else:
        found = module(leaving.network.prepare(inputs), **options)
    scores: Tensor = found.logits if hasattr(found, "logits") else found
    return scores


def tokens_of(inputs: Tensor) -> dict[str, Tensor]:
    """Return padded tokens as tokenizers give them: numbers, and a mask of which are real."""
    real = inputs >= 0
    return {"input_ids": inputs.where(real, 0).long(), "attention_mask": real.long()}


def _imported(path: Path) -> ModuleType:
    """Run the code that was just written, under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(f"headstart_written_{abs(hash(str(path)))}", path)
    assert spec is not None
    assert spec.loader is not None
    module, kept = importlib.util.module_from_spec(spec), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = kept
    return module
