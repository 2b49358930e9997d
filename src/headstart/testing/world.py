"""A small federation with everything that goes wrong in real ones, and a model cut for a method."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from headstart.core.arrays import Array
from headstart.core.device import CPU
from headstart.core.task import Task, TaskKind
from headstart.core.trees import Params
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.data.targets import Targets
from headstart.engine.features.activations import Activations
from headstart.engine.protocol import Engine
from headstart.engine.ways.serial import Serial
from headstart.models.cut import Trainable
from headstart.models.lora import Lora
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.models.spec import ModelSpec
from headstart.study.lab import Lab

TRAIN_SIZES = (9, 5, 0, 16, 1, 7)
"""Training examples of the seen clients: ragged, one client empty, one with a single example."""

VAL_SIZE, TEST_SIZE, SIDE = 3, 4, 8
WITHOUT_VAL = 1
"""Position of the client that has no validation examples."""


@dataclass(frozen=True, eq=False)
class World:
    """What a check runs a method in.

    Attributes:
        federation: see :func:`small_federation`.
        model: cut where the method wants it.
        params: the trainable parameters.
        activations: of the federation's examples.
        engine: where client work runs.
    """

    federation: Federation
    model: Model
    params: Params
    activations: Activations
    engine: Engine = field(default_factory=Serial)

    @property
    def tolerance(self) -> float:
        """How far two ways to compute the same may differ, relative to the largest number."""
        return 1e-10 if self.params["head.weight"].dtype == torch.float64 else 1e-5


def open_world(
    trainable: Trainable,
    *,
    dtype: torch.dtype = torch.float32,
    backbone: str | None = None,
    engine: Engine | None = None,
    seed: int = 0,
    task: TaskKind = "classification",
    device: torch.device = CPU,
    norms: bool = False,
) -> World:
    """Build a model from scratch for the small federation.

    Args:
        trainable: where the model is cut; a method's own ``trainable``.
        dtype: of weights and arithmetic.
        backbone: a built-in network that reads 8 x 8 grey images; None takes one with layers to adapt where adapters
            train, else a CNN.
        engine: where client work runs; None means the serial one.
        seed: of the examples and the weights.
        task: what is to be learnt of them.
        device: where weights and examples are.
        norms: whether the CNN's first block ends in a BatchNorm, whose statistics are not those of the examples.
    """
    backbone = backbone or ("mlp" if isinstance(trainable, Lora) else "small-cnn")
    federation, spec = _with_targets(small_federation(seed), task), ModelSpec(backbone=backbone)
    lab = Lab(federation, spec, engine or Serial(), dtype, device=device)
    network, weights = lab.begin(seed, from_scratch=True)
    network, weights = _with_norm(network, weights) if norms else (network, weights)
    model, params = cut_at(network, weights, trainable)
    return World(lab.federation, model, params, lab.activations, lab.engine)


def _with_norm(network: Network, weights: Params) -> tuple[Network, Params]:
    first, *others = network.blocks
    norm, like = nn.BatchNorm2d(network.get_parameter("blocks.0.0.weight").shape[0]), weights["head.bias"]
    layers = [*first.children(), norm]
    blocks = [nn.Sequential(*layers), *others]
    values = {
        **norm.state_dict(),
        "running_mean": torch.full_like(norm.bias, 0.2),
        "running_var": torch.full_like(norm.bias, 0.5),
    }
    at = f"blocks.0.{len(layers) - 1}"
    named = {f"{at}.{name}": value.to(like) for name, value in values.items()}
    other = Network(
        blocks,
        num_features=network.num_features,
        num_classes=network.num_classes,
        prepare=network.prepare,
        name=f"{network.name} with BatchNorm",
        loss=network.loss,
    )
    return other, {**weights, **named}


def small_federation(seed: int = 0, num_classes: int = 3) -> Federation:
    """Make six seen clients and a held-out one, of 8 x 8 grey images.

    Sizes are ragged, so that last batches are partial; client ``c2`` has nothing to train on, ``c4`` one
    example, ``c1`` no validation examples; each client has mostly two of the classes.

    >>> federation = small_federation()
    >>> [(client.id, len(client.train), client.seen) for client in federation.clients][1:4]
    [('c1', 5, True), ('c2', 0, True), ('c3', 16, True)]
    """
    rng = np.random.default_rng(seed)
    sizes = [(size, 0 if i == WITHOUT_VAL else VAL_SIZE, TEST_SIZE) for i, size in enumerate((*TRAIN_SIZES, 6))]
    labels = np.concatenate([_labels(rng, sum(parts), i, num_classes) for i, parts in enumerate(sizes)])
    clients, start = [], 0
    for i, parts in enumerate(sizes):
        train, val, test = _ranges(start, parts)
        clients.append(Client(f"c{i}", train, val, test, seen=i < len(TRAIN_SIZES)))
        start += sum(parts)
    ids = [f"e{i}" for i in range(start)]
    classes = tuple(f"class {i}" for i in range(num_classes))
    return Federation(Examples("image", _images(rng, labels), labels, ids, classes), clients)


def _with_targets(federation: Federation, kind: TaskKind) -> Federation:
    """Give examples what another task predicts, made of their classes and chance; its strata are the classes.

    >>> _with_targets(small_federation(), "survival").task.outputs
    ('risk',)
    """
    if kind == "classification":
        return federation
    examples, classes = federation.examples, federation.num_classes
    rng = np.random.default_rng(len(examples))
    near = examples.labels[:, None] + 0.3 * rng.standard_normal((len(examples), 2))
    values = {
        "multilabel": (examples.labels[:, None] == np.arange(classes)) | (rng.random((len(examples), classes)) < 0.2),
        "regression": near,
        "survival": np.stack([rng.integers(1, 6, len(examples)) + examples.labels, rng.random(len(examples)) < 0.6], 1),
    }
    targets = Targets(_TASKS[kind], values[kind].astype(np.float64))
    return replace(federation, examples=replace(examples, targets=targets.scaled(np.arange(len(examples)))))


_TASKS: dict[TaskKind, Task] = {
    "multilabel": Task(kind="multilabel", outputs=("a", "b", "c")),
    "regression": Task(kind="regression", outputs=("x", "y")),
    "survival": Task(kind="survival", outputs=("risk",)),
}


def _labels(rng: np.random.Generator, size: int, client: int, num_classes: int) -> Array:
    """Draw labels of mostly two classes."""
    shares = np.full(num_classes, 0.1 / num_classes)
    shares[[client % num_classes, (client + 1) % num_classes]] += (0.6, 0.3)
    return rng.choice(num_classes, size=size, p=shares / shares.sum()).astype(np.int64)


def _images(rng: np.random.Generator, labels: Array) -> Array:
    """Draw a pattern per class, with noise."""
    patterns = rng.uniform(60, 190, size=(labels.max() + 1, 1, SIDE, SIDE))
    noisy = patterns[labels] + rng.normal(0, 25, size=(len(labels), 1, SIDE, SIDE))
    images: Array = noisy.clip(0, 255).astype(np.uint8)
    return images


def _ranges(start: int, sizes: tuple[int, ...]) -> list[Array]:
    bounds = start + np.cumsum((0, *sizes))
    return [np.arange(bounds[i], bounds[i + 1], dtype=np.int64) for i in range(len(sizes))]
