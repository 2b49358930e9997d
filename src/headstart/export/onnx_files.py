"""The frozen part as ONNX, in float32 and in 8-bit integers, and what ONNX Runtime makes of it.

It needs the extra ``export``: ``bundle.export_arm`` looks before it opens this file.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from headstart.core.arrays import Array
from headstart.engine.features.folding import find_pairs, fold, frozen_part
from headstart.models.model import Model

OPSET = 17
INPUT, OUTPUT = "inputs", "features"
Run = Callable[[Array], Array]


class _Features(nn.Module):
    """From stored inputs to features, the preparation of the inputs among it."""

    def __init__(self, part: nn.Module, depth: int) -> None:
        super().__init__()
        self.part, self.depth = part, depth

    def forward(self, inputs: Tensor) -> Tensor:
        """Run a batch."""
        found: Tensor = self.part(inputs, 0, self.depth)
        return found


def write_float(model: Model, example: Tensor, path: Path) -> None:
    """Write the frozen part in float32; the number of examples stays free.

    Args:
        model: cut at the head.
        example: one stored input, ``(1, …)``.
        path: of the file.
    """
    part = frozen_part(model)
    fold(part, find_pairs(part, example))
    write_network(_Features(part, model.cut).eval(), {INPUT: example}, OUTPUT, {INPUT: {0: "batch"}}, path)


def write_network(
    module: nn.Module, example: Mapping[str, Tensor], output: str, axes: Mapping[str, dict[int, str]], path: Path
) -> None:
    """Write a network.

    Args:
        module: of one output, whose first axis is that of examples.
        example: its inputs by name, in order.
        output: name of the output.
        axes: of each input, those that stay free, by number.
        path: of the file.
    """
    with _quiet():
        torch.onnx.export(
            module,
            tuple(example.values()),
            str(path),
            input_names=list(example),
            output_names=[output],
            dynamic_axes={**axes, output: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def write_integers(source: Path, target: Path, examples: Array, calibration: int = 128) -> None:
    """Quantise to 8-bit integers: static, per channel, ranges from real examples.

    Args:
        source: the network in float32.
        target: of the file.
        examples: stored inputs, ``(examples, …)``.
        calibration: how many of them, the first, give the ranges.
    """
    with _quiet():
        prepared = target.with_suffix(".prepared.onnx")
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(target), _Reader(examples[:calibration]), per_channel=True, quant_format=QuantFormat.QDQ
        )
        prepared.unlink()


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Serves examples to ONNX Runtime's calibration, one at a time."""

    def __init__(self, examples: Array) -> None:
        self._rows: Iterator[Array] = iter(examples)

    def get_next(self) -> dict[str, Array] | None:
        row = next(self._rows, None)
        return None if row is None else {INPUT: row[None]}


def open_network(path: Path) -> Run:
    """Open a network in ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(inputs: Array) -> Array:
        parts = [session.run([OUTPUT], {INPUT: some})[0] for some in np.array_split(inputs, max(1, len(inputs) // 32))]
        return np.concatenate(parts)

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the exporters print of themselves: deprecations, and advice that the verification answers."""
    import logging

    root: Any = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
