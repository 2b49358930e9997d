"""The clients of a stage, and their training data as methods see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Params
from headstart.data.federation import Client
from headstart.engine.beside import Beside
from headstart.engine.features.activations import Activations
from headstart.engine.grams import Grams
from headstart.engine.order import PADDING, Order, class_weights, keyed_order
from headstart.engine.rows import RowTable, by_step
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import Balance, DualPasses, Passes, TakeWalk


@dataclass(frozen=True, eq=False)
class Clients:
    """Clients who do a piece of work, and what fixes the order of their examples.

    Attributes:
        members: all that may take part in the stage; a position in it names a client to an engine.
        activations: of all the federation's examples.
        order: in which order clients meet their examples.
        take: takes walks in dual form, perhaps together with those of other stages; None takes each alone.
        rounds: of the stage.
    """

    members: Sequence[Client]
    activations: Activations
    order: Order = keyed_order
    take: TakeWalk | None = None
    rounds: int = 1
    _grams: dict[str, Grams] = field(default_factory=dict)

    def one(self, position: int, key: tuple[Key, ...]) -> OneClient:
        """Return one client's training data; ``key`` is the seed and the round."""
        client = self.members[position]
        return OneClient(self.activations, client.id, client.train, self.order, key, self.rounds)

    def some(self, positions: Array, key: tuple[Key, ...]) -> ManyClients:
        """Return several clients' training data as a stack."""
        return ManyClients(self, positions, key)

    @cached_property
    def rows(self) -> RowTable:
        """The clients' examples."""
        return RowTable(self.members, self.activations)

    def grams(self, model: Model, dtype: torch.dtype) -> Grams:
        """Return the inner products of every client's features."""
        key = f"{model.frozen_key} {dtype}"
        if key not in self._grams:
            self._grams[key] = Grams(self.rows, model.network.num_features, dtype)
        return self._grams[key]


@dataclass(frozen=True)
class OneClient:
    """Training data of one client; batches are never padded."""

    activations: Activations
    id: str
    indices: Array
    order: Order
    key: tuple[Key, ...]
    rounds: int = 1

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield minibatches; see :class:`headstart.training.client_data.ClientData`."""
        inputs, labels = self.activations.at(model), self.activations.examples.labels[self.indices]
        weights = torch.from_numpy(example_weights(labels, passes.balance)).to(inputs.device)
        order = self.order([self.id], [labels], passes, self.key)[0]
        places = torch.from_numpy(order[order != PADDING]).to(inputs.device)
        steps = torch.split(places, (order != PADDING).sum(1).tolist())
        own = torch.from_numpy(self.indices).to(inputs.device)
        rows = [own[step] for step in steps]
        taken = (by_step(values, rows) for values in (inputs, self.activations.labels))
        counts = np.array([len(steps)])
        beside = Beside([self.id], counts, model, passes, self.key, self.rounds, inputs.device)
        for number, (step, batch, truth) in enumerate(zip(steps, *taken, strict=True)):
            draws, lr_factor = beside.draws(number, len(step)), beside.lr_factor(number)
            draws, lr_factor = (None if one is None else one[0] for one in (draws, lr_factor))
            yield Batch(batch, truth, weights[step], full=True, draws=draws, lr_factor=lr_factor)

    def everything(self, model: Model) -> Batch:
        """Return all examples as one batch."""
        inputs = self.activations.at(model)
        rows = torch.from_numpy(self.indices).to(inputs.device)
        weights = torch.ones(len(rows), device=inputs.device)
        return Batch(inputs[rows], self.activations.labels[rows], weights, full=True)

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        """Return nothing: the specification trains with batches."""

    @property
    def ids(self) -> list[str]:
        """The client's id alone."""
        return [self.id]


@dataclass(frozen=True)
class ManyClients:
    """Training data of a stack of clients; ragged sizes are padded with weight 0."""

    clients: Clients
    positions: Array
    key: tuple[Key, ...]

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield stacked minibatches; see :class:`headstart.training.client_data.ClientData`."""
        order, inputs = self._order(passes), self.clients.activations.at(model)
        places, weights, full = self._place(order, passes.balance, inputs.device)
        rows = self._rows.gather(1, places.flatten(1)).view_as(places)
        steps = rows.unbind(1)
        taken = (by_step(values, steps) for values in (inputs, self.clients.activations.labels))
        counts = (order[..., 0] != PADDING).sum(1)
        beside = Beside(self.ids, counts, model, passes, self.key, self.clients.rounds, inputs.device)
        for number, (batch, labels, weight, every) in enumerate(zip(*taken, weights.unbind(1), full, strict=True)):
            draws, lr_factor = beside.draws(number, weight.shape[1]), beside.lr_factor(number)
            yield Batch(batch, labels, weight, every, draws=draws, lr_factor=lr_factor)

    def everything(self, model: Model) -> Batch:
        """Return all examples as one padded batch."""
        rows = self.clients.rows
        weights = self._example_weights("none")
        inputs = rows.take(model, self.positions)
        full = bool((rows.sizes(self.positions) > 0).all())
        return Batch(inputs, self.clients.activations.labels[self._rows], weights, full)

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> DualPasses | None:
        """Return the passes as positions; None where batches are cheaper, or the inner products take too much room."""
        if not model.is_head_only or not model.network.loss.is_softmax:
            return None
        grams = self.clients.grams(model, params["head.weight"].dtype)
        if not grams.pay(self.positions, passes, model.network.num_classes):
            return None
        places, weights, full = self._place(self._order(passes), passes.balance, self._rows.device)
        return DualPasses(places, weights, full, grams.at(model, self.positions), self.clients.take)

    @property
    def ids(self) -> list[str]:
        """The clients' ids."""
        return [self.clients.members[position].id for position in self.positions.tolist()]

    @cached_property
    def _rows(self) -> Tensor:
        return self.clients.rows.at(self.positions)

    def _order(self, passes: Passes) -> Array:
        return self.clients.order(self.ids, self._labels, passes, self.key)

    @property
    def _labels(self) -> list[Array]:
        labels = self.clients.activations.examples.labels[self._rows.cpu().numpy()]
        return [own[:size] for own, size in zip(labels, self.clients.rows.sizes(self.positions), strict=True)]

    def _place(self, order: Array, balance: Balance, device: torch.device) -> tuple[Tensor, Tensor, tuple[bool, ...]]:
        """Return places in the padded examples, their weights, and for each step whether all clients take it."""
        real = order != PADDING
        places = torch.from_numpy(np.where(real, order, 0)).to(device)
        weights = torch.from_numpy(real.astype(np.float32)).to(device)
        if balance == "loss":
            own = self._example_weights(balance)
            weights = weights * own.gather(1, places.flatten(1)).view_as(places)
        return places, weights, tuple(real[..., 0].all(0).tolist())

    def _example_weights(self, balance: Balance) -> Tensor:
        sizes = self.clients.rows.sizes(self.positions)
        weights = (np.arange(self._rows.shape[1]) < sizes[:, None]).astype(np.float32)
        if balance == "loss":
            for i, labels in enumerate(self._labels):
                weights[i, : len(labels)] = example_weights(labels, balance)
        return torch.from_numpy(weights).to(self._rows.device)


def example_weights(labels: Array, balance: Balance) -> Array:
    """Return the weight of each example of one client, float32."""
    return (class_weights(labels) if balance == "loss" else np.ones(len(labels))).astype(np.float32)
