"""How much memory fine-tuning takes on a device, measured and as a study models it.

Measured: the peak of a process above Python with NumPy and ONNX Runtime alone. Modelled: what ``headstart`` says of
the same work, which is bytes of weights and tensors, runtime and scratch space aside.

``python edge/benchmarks/memory.py`` needs headstart with its extra ``export``; the device's processes need neither it
nor PyTorch. Set HEADSTART_WEIGHTS to a folder with ``mobilenet_v2_imagenet`` for the rows of MobileNetV2.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).parents[1] / "src"
PEAK = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
STEPS = {"client_lr": 0.01, "batch_size": 16, "momentum": 0.9}
SETTINGS: dict[str, dict[str, Any]] = {
    "linear_probe": {"method": "linear_probe", "epochs": 3, "optimizer": "sgd", **STEPS},
    "personal_ridge": {"method": "personal_ridge", "accept": True},
}


def main() -> None:
    """Print a table of peaks."""
    bare = peak("import numpy, onnxruntime\n")
    print(f"bare python, numpy, onnxruntime: {bare:.1f} MB")
    for name, backbone, side in networks():
        for count in (100, 10_000 if side < 100 else 1_000):
            for method in SETTINGS:
                with tempfile.TemporaryDirectory() as folder:
                    bundle, data, modelled = make(Path(folder), backbone, side, count, method)
                    code = (
                        f"from headstart_edge import *\nb = open_bundle({str(bundle)!r})\n"
                        f"finetune(b, open_data({str(data)!r}, b))\n"
                    )
                    measured = peak(code) - bare
                row = f"{name}, {side} px, {count:>6} pictures, {method:<14}"
                print(f"{row}: measured {measured:6.1f} MB, modelled {modelled:6.1f} MB", flush=True)


def networks() -> list[tuple[str, str, int]]:
    """Return name, backbone and side of what is measured."""
    found, weights = [("small-cnn", "small-cnn", 32)], os.environ.get("HEADSTART_WEIGHTS")
    if weights:
        found += [("MobileNetV2", f"{weights}/mobilenet_v2_imagenet", side) for side in (96, 224)]
    return found


def peak(code: str) -> float:
    """Return the peak resident memory of a process, MB."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code + PEAK], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1]) / 1024


def make(folder: Path, backbone: str, side: int, count: int, method: str) -> tuple[Path, Path, float]:
    """Write a bundle and pictures of noise (what they show takes no other memory); model the work, in MB."""
    import torch

    from headstart.adapt import METHODS
    from headstart.costs.arm import Population, arm_costs
    from headstart.export.onnx_files import write_float
    from headstart.models.model import cut_at
    from headstart.models.registry import build
    from headstart.models.spec import ModelSpec
    from headstart.models.weights import save

    bundle, data = folder / "bundle", folder / "data"
    bundle.mkdir()
    data.mkdir()
    scratch = "/" not in backbone
    network, weights = build(
        ModelSpec(backbone=backbone), shape=(3, side, side), num_classes=2, from_scratch=scratch, seed=0
    )
    model, head = cut_at(network, weights, "head")
    write_float(model, torch.zeros(1, 3, side, side, dtype=torch.uint8), bundle / "backbone.onnx")
    save(bundle / "head.safetensors", head)
    settings: dict[str, Any] = {"labels": ["cat", "dog"], "num_features": network.num_features}
    settings |= {"input": {"kind": "image", "channels": 3, "height": side, "width": side}, "backbone": "backbone.onnx"}
    settings["adapt"] = SETTINGS[method]
    (bundle / "settings.json").write_text(json.dumps(settings))
    files = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
        for path in bundle.iterdir()
    }
    (bundle / "manifest.json").write_text(json.dumps({"format": "headstart-bundle", "version": 1, "files": files}))
    rng = np.random.default_rng(0)
    inputs = np.lib.format.open_memmap(data / "inputs.npy", "w+", np.uint8, (count, 3, side, side))
    for start in range(0, count, 500):
        inputs[start : start + 500] = rng.integers(0, 256, inputs[start : start + 500].shape, dtype=np.uint8)
    inputs.flush()
    np.save(data / "labels.npy", np.arange(count) % 2)
    given = {key: value for key, value in SETTINGS[method].items() if key != "method"}
    population = Population(torch.zeros(1, 3, side, side, dtype=torch.uint8), 1, count)
    cost = arm_costs(network, weights, (), METHODS[method].build(given), population, sends_weights=True)
    return bundle, data, cost.peak_memory_bytes / 1e6


if __name__ == "__main__":
    main()
