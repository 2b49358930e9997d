"""A model on its way out: the one that an arm's clients share, or the one that a client made of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.protocol import remembers
from headstart.core.arrays import Array
from headstart.core.errors import SettingError, nearest
from headstart.core.ragged import Ragged
from headstart.core.task import Task
from headstart.core.trees import Params
from headstart.data.examples import Examples
from headstart.data.federation import Client, Scaling
from headstart.engine.adaptation import adapt_and_predict, is_better
from headstart.engine.features.padding import RaggedTensor
from headstart.engine.predict import predict
from headstart.engine.received import Received
from headstart.engine.ways.serial import Serial
from headstart.export.opened import OpenedRun
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.models.spec import ModelSpec
from headstart.study.lab import Lab
from headstart.study.written.arms import Arm

_NAMED = 5
"""Clients that an error names."""

_TRIED = 128
"""Examples at most on which what was written is compared with the study's own model."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Leaving:
    """A trained model, whole.

    Attributes:
        opened: the run that it comes from.
        network: the skeleton.
        weights: all of them, adapters merged, float32.
        from_scratch: whether the network is the variant for random weights: normalised by groups.
        client: whose model it is; None of the one that clients share.
        adapted: whether that client kept what it adapted; what it received is its model otherwise.
    """

    opened: OpenedRun
    network: Network
    weights: Params
    from_scratch: bool
    client: Client | None = None
    adapted: bool = False

    @property
    def lab(self) -> Lab:
        """Data and network of the study."""
        return self.opened.study.lab

    @property
    def spec(self) -> ModelSpec:
        """The backbone, as the study names it."""
        return self.lab.spec

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.lab.federation.task

    @property
    def examples(self) -> Examples:
        """The clients' examples."""
        return self.lab.federation.examples

    @cached_property
    def scaling(self) -> Scaling | None:
        """How a table's columns became inputs; None of no table, and where each client has a way of its own."""
        known = self.lab.federation.scalings
        if self.client is not None:
            return known.get(self.client.id)
        first = next(iter(known.values()), None)
        return first if all(one is first for one in known.values()) else None

    @cached_property
    def rows(self) -> Array:
        """Examples to try it on: validation data of the seen clients, or of the one; else training data."""
        clients = [self.client] if self.client else self.opened.pipeline.federation.seen_clients
        found = np.concatenate([client.val for client in clients])
        found = found if len(found) else np.concatenate([client.train for client in clients])
        return found[np.linspace(0, len(found) - 1, min(len(found), _TRIED)).astype(np.int64)]

    @cached_property
    def inputs(self) -> Tensor:
        """The stored inputs of these examples; texts as tokens, -1 where padded."""
        kept = self.examples.inputs
        return RaggedTensor.of(kept)[self.rows] if isinstance(kept, Ragged) else torch.from_numpy(kept[self.rows])

    @cached_property
    def expected(self) -> Array:
        """The study's own predictions of these examples, ``(examples, outputs)``."""
        return self._predicted(self.rows)

    def module(self) -> nn.Module:
        """Return the network with its weights in place, to run and to write."""
        return _Predicts(self.network, self.state).eval()

    @property
    def state(self) -> Params:
        """Weights and buffers of the network, counts of batches among them, which no tree holds."""
        return {name: self.weights.get(name, value) for name, value in self.network.state_dict().items()}

    def recorded(self) -> tuple[int, int] | None:
        """Say for how many of how many test examples the run's record has the same class.

        None where the run did not measure this very model, or kept no classes.
        """
        node = self.opened.pipeline.store.get(str(self.opened.line["key"]))
        kept = (node.tree or {}).get("test/predicted") if node else None
        adapts = not self.opened.arm.adapt.build().changes_nothing
        if kept is None or self.task.kind != "classification" or (adapts and self.client is None):
            return None
        clients = self.opened.pipeline.federation.clients
        owner = np.repeat([client.id for client in clients], [len(client.test) for client in clients])
        rows = np.concatenate([client.test for client in clients])
        mine = owner == self.client.id if self.client else np.ones(len(rows), dtype=bool)
        if not mine.any():
            return None
        same = self._predicted(rows[mine]).argmax(1) == kept.numpy()[mine]
        return int(same.sum()), len(same)

    def _predicted(self, rows: Array) -> Array:
        model, params = cut_at(self.network, self.weights, "all")
        return predict(model, params, self.lab.activations, rows)


class _Predicts(nn.Module):
    """From stored inputs to predictions."""

    def __init__(self, network: Network, weights: Params) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.network.load_state_dict(weights, strict=True)
        self.loss = network.loss

    def forward(self, inputs: Tensor) -> Tensor:
        """Predict a batch."""
        found: Tensor = self.loss.predictions(self.network(inputs))
        return found


def check_leaves(arm: Arm) -> None:
    """Refuse an arm whose clients predict from more than weights.

    Raises:
        SettingError: its adaptation remembers examples.
    """
    if remembers(arm.adapt.build()):
        raise SettingError(
            f"arm: must predict from weights alone, received '{arm.name}', whose '{arm.adapt.method}' remembers "
            "clients' examples, which stay with them; export the same arm without it"
        )


def take_out(opened: OpenedRun, client: str | None) -> Leaving:
    """Return an arm's shared model, or what a client made of it, which is adapted anew from what it received.

    Args:
        opened: a finished arm.
        client: whose model; None takes the one that all clients receive.

    Raises:
        SettingError: there is no such client, or no model that clients share and that knows their task.
    """
    shared = opened.pipeline.trunk(opened.arm).shared
    if client is None:
        _check_shared(opened, shared)
        return _leaving(opened, shared.model.weights(shared.common), None)
    member = _member(opened, client)
    received = shared.model.weights(shared.of(member))
    adapted = _adapted(opened, shared, member)
    return _leaving(opened, received if adapted is None else adapted, member, adapted=adapted is not None)


def _leaving(opened: OpenedRun, weights: Params, client: Client | None, *, adapted: bool = False) -> Leaving:
    from_scratch = opened.arm.start.build().from_scratch
    network = opened.study.lab.skeleton(from_scratch=from_scratch)
    plain = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    return Leaving(
        opened=opened, network=network, weights=plain, from_scratch=from_scratch, client=client, adapted=adapted
    )


def _adapted(opened: OpenedRun, shared: Received, client: Client) -> Params | None:
    """Adapt as the client did in the run: the order of its batches is keyed; None if it kept what it received."""
    method, found = opened.arm.adapt.build(), list[Params]()
    adapt_and_predict(
        method,
        shared,
        [client],
        opened.study.lab.activations,
        {"val": [client.val]},
        engine=Serial(),
        seed=opened.seed,
        better=is_better(opened.pipeline.scoring, opened.study.lab.federation.task),
        keep=lambda _, weights: found.append(weights),
    )
    return found[0] if found else None


def _member(opened: OpenedRun, name: str) -> Client:
    clients = {client.id: client for client in opened.pipeline.federation.clients}
    if name not in clients:
        raise SettingError(f"client: must be one of the study, received {name!r}; {nearest(name, clients)}")
    return clients[name]


def _check_shared(opened: OpenedRun, shared: Received) -> None:
    """Refuse to hand out what no client would predict with: a newcomer's weights, or a head that was never trained."""
    why = ""
    if shared.is_personal:
        why = "leaves every client weights of its own"
    elif not opened.arm.federate and not _fits_a_head(opened):
        why = "shares no head for this task: each client trains its own"
    if why:
        names = ", ".join(client.id for client in opened.pipeline.federation.clients[:_NAMED])
        raise SettingError(
            f"client: must be given for an arm without a shared model, received none for '{opened.arm.name}', which "
            f"{why}; give one of {names}{', …' if len(opened.pipeline.federation.clients) > _NAMED else ''}"
        )


def _fits_a_head(opened: OpenedRun) -> bool:
    """Say whether a start trains a head for the clients' task on the central pool."""
    lab = opened.study.lab
    pool = lab.pool(opened.seed) if opened.arm.start.build().is_trained else None
    return pool is not None and pool.is_same
