"""Features of all examples: a few through the backbone at a time, kept in a file where they would fill the memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from headstart_edge.bundle import Bundle
from headstart_edge.data import Data
from headstart_edge.errors import EdgeError
from headstart_edge.tensors import Array
from headstart_edge.words import visible

BATCH = 1
"""Examples through the backbone at once: more take more memory, and on a small device little less time."""

Run = Callable[[Array], Array]
"""From a batch of inputs to features ``(batch, features)`` float32."""


@dataclass(frozen=True)
class Features:
    """Features of the examples, by row.

    Attributes:
        count: number of examples.
        width: features of one.
        memory: all of them, or None where they lie in a file.
        file: raw float32, row by row; read, not mapped, so that no page of it stays in memory.
    """

    count: int
    width: int
    memory: Array | None = None
    file: IO[bytes] | None = None

    def __enter__(self) -> Features:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    def rows(self, indices: Array) -> Array:
        """Return features of some examples, ``(rows, width)`` float32."""
        if self.memory is not None:
            return self.memory[indices]
        assert self.file is not None
        size, handle = 4 * self.width, self.file.fileno()
        return np.stack([np.frombuffer(os.pread(handle, size, size * int(i)), np.float32) for i in indices])


def open_backbone(bundle: Bundle) -> Run:
    """Open the backbone in ONNX Runtime, with as little memory as it needs.

    Raises:
        EdgeError: the network cannot be read.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Blocked layouts would be faster, and take half as much again: the weights are laid out a second time.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    network = bundle.network()
    try:
        session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own kinds
        raise _unusable(bundle, "opened", error) from None
    del network

    def run(batch: Array) -> Array:
        try:
            found: Array = session.run(["features"], {"inputs": batch})[0]
        except Exception as error:
            raise _unusable(bundle, "run", error) from None
        if found.shape != (len(batch), bundle.weight.shape[1]) or not np.isfinite(found).all():
            raise EdgeError(
                f"{bundle.backbone}: must give {bundle.weight.shape[1]} finite features of an input, received shape "
                f"{found.shape[1:]}, or others; export the bundle again"
            )
        return found

    return run


def _unusable(bundle: Bundle, what: str, error: Exception) -> EdgeError:
    reason = visible((str(error).splitlines() or [type(error).__name__])[0])[:300]
    return EdgeError(f"{bundle.backbone}: cannot be {what} ({reason}); export the bundle again")


def extract(bundle: Bundle, data: Data, folder: Path, run: Run | None = None, memory: int = 2**21) -> Features:
    """Compute the features of all examples.

    Args:
        bundle: with the backbone.
        data: read a few at a time.
        folder: where a temporary file may be made; it has no name, and is gone when the process ends.
        run: the backbone; None opens it.
        memory: bytes of features up to which no file is needed.

    Raises:
        EdgeError: an example does not fit, or there is no room.
    """
    run, width = run or open_backbone(bundle), int(bundle.settings["num_features"])
    if 4 * width * len(data) <= memory:
        found = np.empty((len(data), width), np.float32)
        for start in range(0, len(data), BATCH):
            found[start : start + BATCH] = run(data.batch(start, min(start + BATCH, len(data))))
        return Features(len(data), width, found)
    return Features(len(data), width, file=_spilled(data, folder, run))


def _spilled(data: Data, folder: Path, run: Run) -> Any:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _nameless(folder)
        for start in range(0, len(data), BATCH):
            file.write(run(data.batch(start, min(start + BATCH, len(data)))).astype(np.float32).tobytes())
        file.flush()
    except OSError as error:
        raise EdgeError(
            f"state: must be a folder with room for {len(data)} rows of features, received '{folder}' "
            f"({error.strerror}); free some, or name another folder with --state"
        ) from None
    return file


def _nameless(folder: Path) -> IO[bytes]:
    """Open a file that is gone when it is closed, or when the process ends."""
    path = folder / f".features.{os.getpid()}"
    path.unlink(missing_ok=True)
    # A link of this name, put there by somebody, is not followed.
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
    path.unlink()
    return file
