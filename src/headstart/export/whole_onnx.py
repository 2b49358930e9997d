"""A whole network as one file of ONNX: from what a user has to predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.arrays import Array
from headstart.core.errors import require
from headstart.data.federation import Scaling
from headstart.engine.features.padding import PADDING
from headstart.export.leaving import Leaving
from headstart.export.tried import Compared, compared, tokens_of

FILE = "model.onnx"
_BATCH = 32


class _Scaled(nn.Module):
    """Rows of numbers in their own units, NaN where one is missing, to predictions."""

    fill: Tensor
    center: Tensor
    scale: Tensor

    def __init__(self, predicts: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.predicts = predicts
        for name, values in (("fill", scaling.fill), ("center", scaling.center), ("scale", scaling.scale)):
            self.register_buffer(name, torch.from_numpy(values))

    def forward(self, columns: Tensor) -> Tensor:
        """Predict a batch."""
        values = columns.double()
        filled = torch.where(torch.isnan(values), self.fill, values)
        found: Tensor = self.predicts(((filled - self.center) / self.scale).float())
        return found


class _Tokens(nn.Module):
    """Tokens as tokenizers give them to predictions."""

    def __init__(self, predicts: nn.Module) -> None:
        super().__init__()
        self.predicts = predicts

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Predict a batch."""
        found: Tensor = self.predicts(torch.where(attention_mask > 0, input_ids, PADDING))
        return found


def write_onnx(leaving: Leaving, folder: Path) -> Compared:
    """Write ``model.onnx``, and compare what ONNX Runtime makes of it.

    Args:
        leaving: the model.
        folder: to write into.

    Raises:
        MissingExtra: the extra ``export`` is not installed.
        ModelError: ONNX Runtime does not give the study's predictions.
    """
    for extra in ("onnx", "onnxruntime"):
        require(extra, "export")
    from headstart.export.onnx_files import write_network

    module, inputs = _module(leaving), _inputs(leaving)
    axes = {name: {0: "batch", 1: "tokens"} if leaving.examples.kind == "text" else {0: "batch"} for name in inputs}
    write_network(module, {name: value[:2] for name, value in inputs.items()}, "predictions", axes, folder / FILE)
    return compared(leaving, _run(folder / FILE, inputs))


def _module(leaving: Leaving) -> nn.Module:
    predicts = leaving.module()
    if leaving.examples.kind == "text":
        return _Tokens(predicts).eval()
    return predicts if leaving.scaling is None else _Scaled(predicts, leaving.scaling).eval()


def _inputs(leaving: Leaving) -> dict[str, Tensor]:
    """Return the examples as a user would give them, by the names of the file's inputs."""
    if leaving.examples.kind == "text":
        return tokens_of(leaving.inputs)
    if leaving.examples.kind == "image":
        return {"pixels": leaving.inputs}
    return {"columns": _in_their_units(leaving.inputs, leaving.scaling)}


def _in_their_units(inputs: Tensor, scaling: Scaling | None) -> Tensor:
    if scaling is None:
        return inputs
    return (inputs.double() * torch.from_numpy(scaling.scale) + torch.from_numpy(scaling.center)).float()


def _run(path: Path, inputs: dict[str, Tensor]) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    size = len(next(iter(inputs.values())))
    given = [{name: value[at : at + _BATCH].numpy() for name, value in inputs.items()} for at in range(0, size, _BATCH)]
    return np.concatenate([session.run(["predictions"], some)[0] for some in given]).astype(np.float64)
