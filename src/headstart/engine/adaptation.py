"""The last stage: every client adapts, decides whether to keep the result, and is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from headstart.adapt.protocol import Adapt, remembers
from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.errors import SettingError
from headstart.core.faults import Portions
from headstart.core.seeds import Key
from headstart.core.task import Task
from headstart.core.trees import Params, Tree
from headstart.data.federation import Client
from headstart.engine.clients import Clients
from headstart.engine.features.activations import Activations
from headstart.engine.noisy import KeyedChance, MakeChance
from headstart.engine.predict import Predictor, predict, predict_stack
from headstart.engine.protocol import Engine, Failure, Job
from headstart.engine.received import Exclusion, Received
from headstart.engine.rounds import batch_size_of
from headstart.evidence.metrics import Scoring, better, client_metrics, deciding
from headstart.federate.protocol import keeps_own
from headstart.models.cut import Trainable
from headstart.models.model import Model
from headstart.training.client_data import ClientData

View = str
"""Which examples a client is evaluated on: ``val``, ``test`` or ``global_test``."""


@dataclass(frozen=True)
class Evaluation:
    """Predictions of every client's final parameters.

    Attributes:
        probabilities: by view, one array ``(examples, outputs)`` per client: predictions as the task says.
        accepted: for each client whether it kept the adapted parameters.
        excluded: clients whose adaptation failed; they keep what they received.
    """

    probabilities: Mapping[View, list[Array]]
    accepted: Array
    excluded: tuple[Exclusion, ...] = ()


Watch = Callable[[int, Mapping[View, Array]], None]
"""Shown a client's position and its predictions by view."""

Better = Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], Array]
"""``better(truth, received, adapted)``: of which clients the adapted parameters' predictions are better."""


def is_better(scoring: Scoring, task: Task) -> Better:
    """Compare on the metric of the decision; a tie, or a client where it is not defined, goes to the lower loss."""
    names = deciding(task, scoring)

    def compare(truth: Sequence[Array], received: Sequence[Array], adapted: Sequence[Array]) -> Array:
        together, owner = np.concatenate(truth), np.repeat(np.arange(len(truth)), [len(own) for own in truth])
        old, new = (
            client_metrics(together, np.concatenate(each), owner, len(truth), task, scoring=scoring, names=names)
            for each in (received, adapted)
        )
        return better(old, new, task, scoring)

    return compare


def adapt_and_predict(
    method: Adapt,
    before: Received,
    clients: Sequence[Client],
    activations: Activations,
    views: Mapping[View, list[Array]],
    *,
    engine: Engine,
    seed: int,
    better: Better,
    keep: Callable[[int, Params], None] | None = None,
    watch: Watch | None = None,
    chance: MakeChance = KeyedChance,
) -> Evaluation:
    """Let every client adapt and predict.

    Args:
        method: what a client does alone.
        before: what the clients received.
        clients: all of them, seen or not.
        activations: of the federation's examples.
        views: for each view the examples of each client; ``val`` must be among them.
        engine: where client work runs.
        seed: with a client's id it fixes the batch order.
        better: decides between received and adapted parameters.
        keep: given the position and all weights of each client that takes its adapted ones, where it computed them.
        watch: shown every client's predictions, in the clients' order; what it raises ends the stage.
        chance: draws what hides single examples.
    """
    if method.changes_nothing:
        return predict_received(before, clients, activations, views)
    model, received, first = _beside(before, clients) if method.takes_own else _recut(before, method, clients)
    everyone = Clients(clients, activations, chance=chance)
    desk = _Desk(method, model, received, everyone, views, better, keep)

    def work(model: Model, params: Tree, private: Tree, data: ClientData) -> tuple[Tree]:
        return (method(model, {**params, **private}, data),)

    dtype = next(iter(received.one(0).values())).dtype
    job = Job(
        work,
        model,
        everyone,
        first,
        finish=desk.finish,
        batch_size=batch_size_of(method),
        cohort_size=len(clients),
        dtype=dtype,
    )
    return _gather(desk, engine, job, (seed, "adapt"), watch)


def _gather(desk: _Desk, engine: Engine, job: Job, key: tuple[Key, ...], watch: Watch | None = None) -> Evaluation:
    """Have every client adapt, and put its predictions in its place."""
    everyone = np.arange(len(desk.clients.members))
    found: dict[int, _Result] = {}
    shown = 0
    with engine.crew(job) as crew:
        for result in crew.map({}, everyone, key):
            if isinstance(result, Failure):
                found[result.position] = desk.keep_received(result)
            else:
                found |= dict(zip(result.positions, result.finished, strict=True))
            while watch and shown in found:
                watch(shown, found[shown].probabilities)
                shown += 1
    results = [found[position] for position in everyone.tolist()]
    return Evaluation(
        {view: [result.probabilities[view] for result in results] for view in desk.views},
        np.array([result.accepted for result in results], dtype=bool),
        tuple(
            Exclusion(client.id, 0, result.reason)
            for client, result in zip(desk.clients.members, results, strict=True)
            if result.reason
        ),
    )


@dataclass(frozen=True)
class _Result:
    """What one client came to; nothing of it is larger than predictions."""

    probabilities: Mapping[View, Array]
    accepted: bool
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Desk:
    """Where adapted parameters are decided on, predicted with, and forgotten: in whichever process they come up."""

    method: Adapt
    model: Model
    received: _Start
    clients: Clients
    views: Mapping[View, list[Array]]
    better: Better
    keep: Callable[[int, Params], None] | None

    def finish(self, positions: Sequence[int], results: tuple[Tree, ...]) -> list[_Result]:
        """Have each client take what is better for it, and predict."""
        (adapted,) = results
        finite = trees.finite_clients(adapted).cpu().numpy()
        options = [self._as_received(positions), *self._as_adapted(positions, adapted)]
        choice = np.where(finite, self._choose(positions, options), 0)
        reasons = np.where(finite, "", "its adapted parameters have numbers that are not finite").tolist()
        found = self._predict(positions, options, choice)
        self._hand_over(positions, adapted, choice)
        return [_Result(*each) for each in zip(found, (choice > 0).tolist(), reasons, strict=True)]

    def _hand_over(self, positions: Sequence[int], adapted: Tree, choice: Array) -> None:
        """Give away the weights of clients that take their adapted ones."""
        if self.keep is None:
            return
        for i in np.flatnonzero(choice).tolist():
            self.keep(positions[i], self.model.weights(trees.unstack(adapted, i)))

    def keep_received(self, failure: Failure) -> _Result:
        """Evaluate a client whose adaptation raised an error with what it received."""
        positions = [failure.position]
        (found,) = self._predict(positions, [self._as_received(positions)], np.zeros(1, dtype=np.int64))
        return _Result(found, False, failure.reason)

    def _as_received(self, positions: Sequence[int]) -> Predictor:
        return Predictor(self.model, self.received.some(np.asarray(positions)), self.clients.activations)

    def _as_adapted(self, positions: Sequence[int], adapted: Tree) -> list[Predictor]:
        """Return the ways to predict that the adaptation offers."""
        if not remembers(self.method):
            return [Predictor(self.model, adapted, self.clients.activations)]
        memory = self.method.memory(self.model, self.clients.some(np.asarray(positions), ()))
        return [
            Predictor(self.model, adapted, self.clients.activations, option, memory) for option in self.method.options
        ]

    def _choose(self, positions: Sequence[int], options: Sequence[Predictor]) -> Array:
        """Return the number of each client's best option on its validation data; 0 is what it received."""
        first, everyone = (0 if self.method.accept else 1), np.arange(len(positions))
        rows, truth = [self.views["val"][p] for p in positions], self.clients.activations.examples.truth
        # Without validation examples nothing speaks against the adapted parameters.
        choice = np.array([first if len(own) else 1 for own in rows])
        if first + 1 == len(options):
            return choice
        best, own = options[first].predict(everyone, rows), [truth[part] for part in rows]
        for number, option in enumerate(options[first + 1 :], first + 1):
            found = option.predict(everyone, rows)
            # Of a client without examples nothing is better.
            for i in np.flatnonzero(self.better(own, best, found)).tolist():
                if len(rows[i]):
                    choice[i], best[i] = number, found[i]
        return choice

    def _predict(
        self, positions: Sequence[int], options: Sequence[Predictor], choice: Array
    ) -> list[dict[View, Array]]:
        """Predict with each client's choice, the clients of one choice together."""
        results: list[dict[View, Array]] = [{} for _ in positions]
        for number in np.unique(choice).tolist():
            members = np.flatnonzero(choice == number)
            for view, rows in self.views.items():
                found = options[number].predict(members, [rows[positions[i]] for i in members.tolist()])
                for i, each in zip(members.tolist(), found, strict=True):
                    results[i][view] = each
        return results


@dataclass(frozen=True, eq=False)
class _Start:
    """What each client starts to adapt with, by its position.

    Attributes:
        common: what all of them received; None where clients differ.
        personal: returns what a client received.
        clients: by position.
    """

    common: Params | None
    personal: Callable[[Client], Params]
    clients: Sequence[Client]

    def one(self, position: int) -> Tree:
        """Return what one client received."""
        return self.personal(self.clients[position]) if self.common is None else self.common

    def some(self, positions: Array) -> Tree:
        """Return what several clients received, as a stack."""
        if self.common is not None:
            return trees.broadcast(self.common, len(positions))
        return trees.stack([self.one(int(position)) for position in positions])


def _beside(before: Received, clients: Sequence[Client]) -> tuple[Model, _Start, _Start]:
    """Leave the cut; return what clients received, and the models of their own: if there are none, the same."""
    federated, method = before.federated, before.method
    received = _Start(None if before.is_personal else before.common, before.of, clients)
    if method is None or federated is None or not keeps_own(method):
        return before.model, received, received

    def own(client: Client) -> Params:
        return method.own_params(before.model, federated.shared, federated.private(client))

    return before.model, received, _Start(None, own, clients)


def _recut(before: Received, method: Adapt, clients: Sequence[Client]) -> tuple[Model, _Start, _Start]:
    """Cut the received weights where the adaptation wants it; clients may differ above that cut only.

    They begin with what they received.
    """
    model, params = before.model.recut(before.common, method.trainable)
    if not before.is_personal:
        common = _Start(params, lambda _: params, clients)
        return model, common, common

    def received(client: Client) -> Params:
        weights = before.model.weights(before.of(client))
        if not all(_equal(weights[name], value) for name, value in model.frozen.items()):
            raise SettingError(says_too_shallow(method.trainable))
        # Fresh adapters are the same for all.
        return {name: weights.get(name, value) for name, value in params.items()}

    own = _Start(None, received, clients)
    return model, own, own


def says_too_shallow(trainable: Trainable) -> str:
    """Say that an adaptation trains too little of a network for clients that have weights of their own."""
    return (
        f"adapt.trainable: must reach down to every weight that differs between clients, received '{trainable}' after "
        "a federated method that leaves clients their own weights below that cut; take an adaptation that trains more "
        "blocks, such as 'full_finetune'"
    )


def _equal(left: Tensor, right: Tensor) -> bool:
    return left is right or torch.equal(left, right)


def predict_received(
    before: Received, clients: Sequence[Client], activations: Activations, views: Mapping[View, list[Array]]
) -> Evaluation:
    """Let clients predict with what they received: one pass over the examples when that is the same for all.

    Args:
        before: what the clients received.
        clients: who predicts.
        activations: of the federation's examples.
        views: for each view the examples of each client.
    """
    accepted = np.zeros(len(clients), dtype=bool)
    if before.is_personal:
        return Evaluation(_predict_personal(before, clients, activations, views), accepted)
    wanted = np.unique(np.concatenate([part for rows in views.values() for part in rows]))
    table = predict(before.model, before.common, activations, wanted)
    lookup = {view: [table[np.searchsorted(wanted, part)] for part in rows] for view, rows in views.items()}
    return Evaluation(lookup, accepted)


def _predict_personal(
    before: Received, clients: Sequence[Client], activations: Activations, views: Mapping[View, list[Array]]
) -> dict[View, list[Array]]:
    """Let each client predict with its own weights: all at once, or in halves where memory is short."""

    def work(some: Array) -> dict[View, list[Array]]:
        stack = trees.stack([before.of(clients[i]) for i in some.tolist()])
        return {
            view: predict_stack(before.model, stack, activations, [rows[i] for i in some.tolist()])
            for view, rows in views.items()
        }

    parts = [found for _, found in Portions().each(work, np.arange(len(clients)))]
    return {view: [one for part in parts for one in part[view]] for view in views}
