"""A bundle made by hand, as any exporter might make it: a linear backbone over small grey pictures."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from headstart_edge import tensors

SIDE, WIDTH, CLASSES = 4, 12, ("cat", "dog", "bird")
PROBE = {
    "method": "linear_probe",
    "epochs": 5,
    "client_lr": 0.1,
    "batch_size": 8,
    "optimizer": "sgd",
    "momentum": 0.9,
    "weight_decay": 0.01,
    "balance": "none",
    "local_steps": None,
    "accept": True,
}


def projection() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(SIDE * SIDE, WIDTH)).astype(np.float32)


def make_bundle(folder: Path, adapt: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("Cast", ["inputs"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "backbone",
        [helper.make_tensor_value_info("inputs", TensorProto.UINT8, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", WIDTH])],
        [numpy_helper.from_array(np.float32(1 / 255), "scale"), numpy_helper.from_array(projection(), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "backbone.onnx").write_bytes(model.SerializeToString())
    head = np.random.default_rng(1).normal(size=(len(CLASSES), WIDTH)).astype(np.float32) / 100
    tensors.write(folder / "head.safetensors", {"head.weight": head, "head.bias": np.zeros(3, np.float32)}, {})
    settings = {
        "labels": list(CLASSES),
        "input": {"kind": "image", "channels": 1, "height": SIDE, "width": SIDE},
        "num_features": WIDTH,
        "backbone": "backbone.onnx",
        "adapt": PROBE if adapt is None else adapt,
        "metric": "balanced_accuracy",
        "seed": 3,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return seal(folder)


def seal(folder: Path) -> Path:
    files = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
        for path in folder.iterdir()
        if path.is_file() and path.name != "manifest.json"
    }
    manifest = {"format": "headstart-bundle", "version": 1, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def draw(count: int, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Draw pictures of three kinds that a head can tell apart."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).uniform(60, 190, size=(len(CLASSES), 1, SIDE, SIDE))
    labels = rng.integers(0, len(CLASSES), count)
    noisy = patterns[labels] + rng.normal(0, 60, size=(count, 1, SIDE, SIDE))
    return noisy.clip(0, 255).astype(np.uint8), labels


def write_data(folder: Path, count: int, seed: int = 0) -> Path:
    inputs, labels = draw(count, seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "inputs.npy", inputs)
    np.save(folder / "labels.npy", labels)
    return folder
