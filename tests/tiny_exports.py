"""Models on their way out, of tiny studies that keep nothing on disk but what they make."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart import Arm
from headstart.core.progress import Silent
from headstart.core.ragged import Ragged
from headstart.data.arrays import from_arrays
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.export.leaving import Leaving, take_out
from headstart.export.opened import OpenedRun
from headstart.study.run.nodes import NodeStore
from headstart.study.study import Study
from tiny_networks import CHECKPOINTS, look_trained
from tiny_texts import draw_texts

RIDGE = Arm("ridge", start="pretrained", federate="ridge")
SCRATCH = Arm("scratch", start="random", federate={"method": "fedavg", "rounds": 1, "client_lr": 0.1})


def pictures(*shape: int, classes: int = 2) -> Federation:
    """Return bytes at random of two clients."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (24, *shape), dtype=np.uint8)
    return from_arrays(inputs, np.arange(24) % classes, clients=["north", "south"] * 12)


def table(**options: Any) -> Federation:
    """Return columns of different scales, some cells empty, of two clients."""
    inputs = np.random.default_rng(0).normal([1.0, 20.0, -3.0], [0.5, 4.0, 9.0], (40, 3))
    labels = options.pop("labels", np.arange(40) % 2)
    options = {"standardize": "pooled", **options}
    return from_arrays(inputs, labels, clients=["north", "south"] * 20, columns=["a", "b", "c"], **options)


def texts() -> Federation:
    """Return texts of two clients."""
    labels = np.random.default_rng(0).integers(0, 2, 40)
    examples = Examples(
        "text", Ragged.of_texts(draw_texts(labels)), labels, [f"t{i}" for i in range(40)], ("good", "bad")
    )
    return Federation(examples, [Client(f"c{i}", *np.split(np.arange(20) + 20 * i, [10, 14])) for i in range(2)])


def save_checkpoint(folder: Path, kind: str) -> str:
    """Save a tiny checkpoint of pictures."""
    import transformers

    model, config, settings = CHECKPOINTS[kind]
    torch.manual_seed(0)
    made = getattr(transformers, model)(getattr(transformers, config)(**settings))
    look_trained(made)
    made.save_pretrained(folder)
    return str(folder)


def leave(folder: Path, federation: Federation, backbone: str, arm: Arm = RIDGE, client: str | None = None) -> Leaving:
    """Run an arm, and take its model out."""
    return take_out(opened(folder, federation, backbone, arm), client)


def opened(folder: Path, federation: Federation, backbone: str, arm: Arm, seeds: Sequence[int] = (0,)) -> OpenedRun:
    """Open a run that makes what it lacks."""
    study = Study(federation, [arm], backbone=backbone, seeds=seeds, baseline=arm.name)
    pipeline = study.pipeline(NodeStore(folder / "run"), seeds[0], Silent())
    line = {"key": "none", "nodes": []}
    return OpenedRun(folder=folder, study=study, arm=arm, line=line, pipeline=pipeline)
