"""One plain forward pass over the frozen work's images, by PyTorch or ONNX Runtime; prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from headstart.models.network import Network
from sources import Array, Peers, Seeded, Source
from tasks import prepare
from works import WORKS

BATCHES = (64, 128, 256)
TRIED = 512
"""Images on which the batch sizes are compared; the fastest then goes over all."""

Forward = Callable[[Array], Any]


class Features(nn.Module):
    """A network without its head."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*network.blocks)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        features: torch.Tensor = self.blocks(images)
        return features


def by_torch(module: Features) -> Forward:
    """Run the module as it is."""

    def forward(images: Array) -> Any:
        with torch.inference_mode():
            return module(torch.from_numpy(images))

    return forward


def by_onnxruntime(module: Features) -> Forward:
    """Export the module and run it with ONNX Runtime's own optimisations."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = str(Path(folder) / "features.onnx")
        axes = {"images": {0: "batch"}}
        example = torch.zeros(2, *WORKS["w3a"].shape)
        torch.onnx.export(module, (example,), path, input_names=["images"], dynamic_axes=axes, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})


RUNTIMES = {"torch": by_torch, "onnxruntime": by_onnxruntime}


def seconds(forward: Forward, images: Array, batch: int) -> float:
    """Time one pass over ``images``."""
    begin = time.perf_counter()
    for start in range(0, len(images), batch):
        forward(images[start : start + batch])
    return time.perf_counter() - begin


def main() -> None:
    """Load the images, choose the batch size, time one pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runtime", choices=RUNTIMES)
    parser.add_argument("--peers", type=Path)
    chosen = parser.parse_args()
    source: Source = Peers(chosen.peers) if chosen.peers else Seeded()
    data = source.load(WORKS["w3a"])
    model = prepare(WORKS["w3a"], data).model
    module = Features(model.network).eval()
    stored = {name: value for name, value in model.frozen.items() if name.startswith("blocks.")}
    module.load_state_dict(stored, strict=False)
    images = np.ascontiguousarray(data.inputs.reshape(-1, *data.inputs.shape[2:]))
    forward = RUNTIMES[chosen.runtime](module)
    seconds(forward, images[:TRIED], BATCHES[0])
    batch = min(BATCHES, key=lambda size: seconds(forward, images[:TRIED], size))
    print(json.dumps({"seconds": seconds(forward, images, batch), "batch": batch}))


if __name__ == "__main__":
    main()
