"""What a study opens once and every arm uses: the data, the network, the engine."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from headstart.core.arrays import Array
from headstart.core.device import CPU, Precision, rounding
from headstart.core.progress import Progress, Silent
from headstart.core.seeds import derive, numpy_generator
from headstart.core.span import Span
from headstart.core.task import Task
from headstart.core.trees import Params, map_tree
from headstart.data import resplit
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.engine.clients import OneClient
from headstart.engine.features.activations import Activations
from headstart.engine.order import keyed_order
from headstart.engine.protocol import Engine
from headstart.models.checkpoints.masked import Texts
from headstart.models.losses import loss_of
from headstart.models.network import Network
from headstart.models.own import Own
from headstart.models.registry import build, new_head
from headstart.models.spec import ModelSpec
from headstart.start.protocol import Central
from headstart.study.run.nodes import NodeStore
from headstart.study.run.starts import Starts

_POOL_VALIDATION = 0.15
"""Share of the central pool that decides when pre-training stops."""

_MOST_ROWS = 10_000
"""Examples from which the inputs' scales are known well enough."""


@dataclass(frozen=True, eq=False)
class Lab:
    """The data, the network and the engine of a study.

    Attributes:
        federation: as opened; each seed redraws train and validation.
        spec: the backbone.
        engine: where client work runs.
        dtype: of weights and arithmetic.
        cache: folder for what studies can share, activations and starts; None shares nothing.
        progress: told how far long passes over the data are.
        own: the user's own module, where the backbone is one.
        device: where weights and examples are while networks are trained and asked.
        precision: in which networks multiply.
        global_test_examples: how many examples of all clients' test data personal models are tried on.
        begun: first weights that arms began with.
    """

    federation: Federation
    spec: ModelSpec
    engine: Engine
    dtype: torch.dtype = torch.float32
    cache: Path | None = None
    progress: Progress | None = None
    global_test_examples: int = 1000
    own: Own | None = None
    device: torch.device = CPU
    precision: Precision = "float32"
    begun: Starts = field(default_factory=Starts, init=False)
    _skeletons: dict[bool, Network] = field(default_factory=dict, init=False)
    _redrawn: dict[int, Federation] = field(default_factory=dict, init=False)

    @property
    def _folder(self) -> Path | None:
        return self.cache / "activations" if self.cache else None

    @property
    def starts(self) -> NodeStore | None:
        """Starts that any study has computed."""
        warn = (self.progress or Silent()).warn
        return NodeStore(self.cache / "starts", lambda error: warn(error.note)) if self.cache else None

    @cached_property
    def activations(self) -> Activations:
        """Activations of the clients' examples."""
        return self._activations_of(self.federation.examples)

    @cached_property
    def central_activations(self) -> Activations | None:
        """Activations of the central pool."""
        central = self.federation.central
        return self._activations_of(central) if central else None

    def _activations_of(self, examples: Examples) -> Activations:
        return Activations(examples, self._folder, progress=self.progress, device=self.device)

    def rounding(self) -> AbstractContextManager[None]:
        """Let the device multiply as the study's precision says."""
        return rounding(self.device, self.precision)

    def at(self, seed: int) -> Federation:
        """Return the federation with this seed's train and validation parts; tests are the same for all seeds."""
        if seed not in self._redrawn:
            self._redrawn[seed] = resplit(self.federation, seed)
        return self._redrawn[seed]

    def build(self, seed: int, *, from_scratch: bool, task: Task | None = None) -> tuple[Network, Params]:
        """Build the network with this seed's random weights, in the study's number type, on the processor.

        Args:
            seed: keys the random weights.
            from_scratch: random weights, or a checkpoint's with a new head.
            task: of the head; None takes the clients'.
        """
        task = task or self.federation.task
        if from_scratch:
            return self._built(seed, from_scratch=True, task=task)
        network, params = new_head(*self._checkpoint, task.num_outputs, seed, loss_of(task))
        return network, cast(params, self.dtype)

    @cached_property
    def _checkpoint(self) -> tuple[Network, Params]:
        """The checkpoint, read once; seeds and arms differ in its head alone."""
        return self._built(0, from_scratch=False, task=self.federation.task)

    def _built(self, seed: int, *, from_scratch: bool, task: Task) -> tuple[Network, Params]:
        network, params = build(
            self.spec,
            shape=self.federation.examples.shape,
            num_classes=task.num_outputs,
            from_scratch=from_scratch,
            seed=seed,
            loss=loss_of(task),
            own=self.own,
        )
        network.precision = self.precision
        return network, cast(params, self.dtype)

    def skeleton(self, *, from_scratch: bool) -> Network:
        """Return a network for the clients' classes whose weights do not matter; built once."""
        if from_scratch not in self._skeletons:
            self._skeletons[from_scratch] = self.build(0, from_scratch=from_scratch)[0]
        return self._skeletons[from_scratch]

    @property
    def num_weights(self) -> int:
        """Number of the network's parameters."""
        return sum(parameter.numel() for parameter in self.skeleton(from_scratch=True).parameters())

    @cached_property
    def span(self) -> float:
        """How far the scales of a table's columns lie apart, on training examples; 1 for images and texts."""
        if self.federation.examples.kind != "table":
            return 1.0
        rows = np.concatenate([client.train for client in self.federation.seen_clients])[:_MOST_ROWS]
        return Span.of(self.federation.examples.inputs[rows]).reach

    def pool(self, seed: int) -> Central | None:
        """Return the central pool, its labelled part split for early stopping; None if there is nothing to learn."""
        activations, central = self.central_activations, self.federation.central
        if activations is None or central is None:
            return None
        train, val = split_pool(central, seed)
        texts = Texts(central.inputs, self.spec) if central.kind == "text" else None
        if not len(train) and texts is None:
            return None
        parts = [OneClient(activations, "central", rows, keyed_order, (seed, "central")) for rows in (train, val)]
        same = bool(len(train)) and central.task == self.federation.task
        return Central(parts[0], parts[1], central.task if len(train) else None, same, texts)

    def views(self, federation: Federation) -> Mapping[str, list[Array]]:
        """Return the examples that each client is evaluated on, by view."""
        clients = federation.clients
        everyone = global_test(federation.seen_clients, self.global_test_examples)
        return {
            "val": [client.val for client in clients],
            "test": [client.test for client in clients],
            "global_test": [everyone for _ in clients],
        }


def cast(params: Params, dtype: torch.dtype) -> Params:
    """Return the tree with its floating-point tensors in ``dtype``."""
    return map_tree(lambda value: value.to(dtype) if value.is_floating_point() else value, params)


def split_pool(central: Examples, seed: int) -> tuple[Array, Array]:
    """Split the labelled rows of a pool into train and validation, stratified where every class has two rows."""
    from sklearn.model_selection import train_test_split

    rows = np.flatnonzero(central.labels >= 0)
    if len(rows) < 2:
        return rows, rows[:0]
    counts = np.bincount(central.labels[rows])
    held_back = max(int(len(rows) * _POOL_VALIDATION), 1)
    stratify = central.labels[rows] if counts[counts > 0].min() > 1 and held_back >= (counts > 0).sum() else None
    random_state = derive(seed, "pool") % 2**32
    train, val = train_test_split(rows, test_size=held_back, random_state=random_state, stratify=stratify)
    return train, val


def global_test(clients: list[Client], size: int) -> Array:
    """Draw at most ``size`` examples from all clients' test data; the same for every arm and seed."""
    rows = np.unique(np.concatenate([client.test for client in clients] or [np.empty(0, dtype=np.int64)]))
    if len(rows) <= size:
        return rows
    return np.sort(numpy_generator("global_test").choice(rows, size=size, replace=False))
