"""A team: the clients whose work an engine does now, and their data as methods see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from headstart.core.seeds import Key
from headstart.data.examples import Array
from headstart.data.federation import Client
from headstart.engine.activations import Activations
from headstart.engine.order import PADDING, class_weights, minibatch_order
from headstart.models.batches import Balance, Batch
from headstart.models.model import Model


@dataclass(frozen=True)
class Team:
    """Clients and what fixes their randomness.

    Attributes:
        clients: in the order of the results.
        activations: of all the federation's examples.
        key: seed and round; with a client's id it fixes that client's batch order.
    """

    clients: Sequence[Client]
    activations: Activations
    key: tuple[Key, ...]

    def one(self, position: int) -> OneClient:
        """Return one client's training data."""
        client = self.clients[position]
        return OneClient(self.activations, client.train, (*self.key, client.id))

    def some(self, positions: slice) -> ManyClients:
        """Return several clients' training data as a stack."""
        return ManyClients([self.one(i) for i in range(*positions.indices(len(self.clients)))])


@dataclass(frozen=True)
class OneClient:
    """Training data of one client; batches are never padded."""

    activations: Activations
    indices: Array
    key: tuple[Key, ...]

    def batches(
        self,
        model: Model,
        *,
        batch_size: int,
        epochs: int,
        steps: int | None = None,
        balance: Balance = "none",
        stream: str = "",
    ) -> Iterator[Batch]:
        """Yield minibatches; see :class:`headstart.models.batches.ClientData`."""
        inputs = self.activations.at(model)
        order, weights = (
            self.plan(batch_size, epochs, steps, balance, stream),
            torch.from_numpy(self.weights(balance)),
        )
        for row in order:
            positions = row[row != PADDING]
            rows = torch.from_numpy(self.indices[positions])
            yield Batch(inputs[rows], self.activations.labels[rows], weights[positions])

    def everything(self, model: Model) -> Batch:
        """Return all examples as one batch."""
        rows = torch.from_numpy(self.indices)
        return Batch(self.activations.at(model)[rows], self.activations.labels[rows], torch.ones(len(rows)))

    def plan(self, batch_size: int, epochs: int, steps: int | None, balance: Balance, stream: str) -> Array:
        """Return the order of positions, ``(steps, batch)``."""
        labels = self.activations.examples.labels[self.indices]
        key = (*self.key, stream)
        return minibatch_order(labels, batch_size=batch_size, epochs=epochs, steps=steps, balance=balance, key=key)

    def weights(self, balance: Balance) -> Array:
        """Return the weight of each example, float32."""
        labels = self.activations.examples.labels[self.indices]
        weights = class_weights(labels) if balance == "loss" else np.ones(len(labels))
        return weights.astype(np.float32)


@dataclass(frozen=True)
class ManyClients:
    """Training data of a stack of clients; ragged sizes are padded with weight 0."""

    members: Sequence[OneClient]

    def batches(
        self,
        model: Model,
        *,
        batch_size: int,
        epochs: int,
        steps: int | None = None,
        balance: Balance = "none",
        stream: str = "",
    ) -> Iterator[Batch]:
        """Yield stacked minibatches; see :class:`headstart.models.batches.ClientData`."""
        orders = [member.plan(batch_size, epochs, steps, balance, stream) for member in self.members]
        weights = [member.weights(balance) for member in self.members]
        for step in range(max(len(order) for order in orders)):
            yield self._gather(model, [order[step : step + 1].ravel() for order in orders], weights)

    def everything(self, model: Model) -> Batch:
        """Return all examples as one padded batch."""
        positions = [np.arange(len(member.indices)) for member in self.members]
        return self._gather(model, positions, [member.weights("none") for member in self.members])

    def _gather(self, model: Model, positions: Sequence[Array], weights: Sequence[Array]) -> Batch:
        width = max(1, *(len(p) for p in positions))
        rows = np.zeros((len(positions), width), dtype=np.int64)
        weight = np.zeros((len(positions), width), dtype=np.float32)
        for i, (member, chosen) in enumerate(zip(self.members, positions, strict=True)):
            real = chosen[chosen != PADDING]
            rows[i, : len(real)], weight[i, : len(real)] = member.indices[real], weights[i][real]
        activations = self.members[0].activations
        index = torch.from_numpy(rows)
        return Batch(_take(activations.at(model), index), activations.labels[index], torch.from_numpy(weight))


def _take(values: Tensor, index: Tensor) -> Tensor:
    """Gather rows for a stack: ``(clients, width, …)``."""
    return values[index.reshape(-1)].reshape(*index.shape, *values.shape[1:])
