"""Results as facts: what JSON can say of them, and what goes into a tree of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from headstart.adapt.protocol import Adapt
from headstart.core.arrays import Array
from headstart.core.device import CPU, placed
from headstart.core.plain import finite
from headstart.core.trees import Params, Tree, part
from headstart.data.examples import Examples
from headstart.data.federation import Federation
from headstart.engine.adaptation import Evaluation, predict_received
from headstart.engine.features.activations import Activations
from headstart.engine.received import Exclusion, Federated, Received, Traffic
from headstart.evidence.fits import Fit, Fits
from headstart.evidence.metrics import (
    Scoring,
    choose_cuts,
    class_metrics,
    client_metrics,
    example_parts,
    example_values,
    pooled_metrics,
)
from headstart.evidence.outcomes import RIGHT_OR_WRONG
from headstart.evidence.tally import ClientTally
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.study.run.nodes import Node


def evaluation_facts(
    evaluation: Evaluation, rows: Mapping[str, list[Array]], federation: Federation, scoring: Scoring
) -> dict[str, Any]:
    """Turn predictions into metrics per client, by view, and pooled over the seen clients' own test examples.

    Thresholds are each client's own, chosen on its validation predictions, and stand for every view.
    """
    views = {view: _View.of(evaluation, parts, federation, view) for view, parts in rows.items()}
    cuts, task = views["val"].cuts(scoring) if "val" in views else {}, federation.task
    seen = np.array([client.seen for client in federation.clients], dtype=bool)
    metrics, pooled, by_class = {}, {}, dict[str, list[float | None]]()
    for view, one in views.items():
        if not len(one.owner):
            continue
        each = client_metrics(*one.rows, len(seen), task, scoring=scoring, cuts=one.of_rows(cuts))
        metrics[view] = {name: [finite(v) for v in values] for name, values in each.items()}
        some = one.only(seen[one.owner])
        if len(some.owner):
            found = pooled_metrics(some.truth, some.found, task, scoring=scoring, cuts=some.of_rows(cuts))
            pooled[view] = {name: finite(value) for name, value in found.items()}
        if view == "test" and len(some.owner):
            by_class = _plain(class_metrics(some.truth, some.found, task))
    excluded = [asdict(exclusion) for exclusion in evaluation.excluded]
    return {"metrics": metrics, "pooled": pooled, "excluded": excluded, "by_class": by_class}


@dataclass(frozen=True, eq=False)
class _View:
    """What clients predict of some of their examples, with the truth: rows, client by client."""

    truth: Array
    found: Array
    owner: Array
    federation: Federation

    @classmethod
    def of(cls, evaluation: Evaluation, parts: Sequence[Array], federation: Federation, view: str) -> _View:
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        truth = federation.examples.truth[np.concatenate(parts)]
        return cls(truth, np.concatenate(evaluation.probabilities[view]), owner, federation)

    @property
    def rows(self) -> tuple[Array, Array, Array]:
        return self.truth, self.found, self.owner

    def only(self, kept: Array) -> _View:
        return _View(self.truth[kept], self.found[kept], self.owner[kept], self.federation)

    def cuts(self, scoring: Scoring) -> dict[str, Array]:
        return choose_cuts(*self.rows, len(self.federation.clients), self.federation.task, scoring)

    def of_rows(self, cuts: Mapping[str, Array]) -> dict[str, Array]:
        return {name: values[self.owner] for name, values in cuts.items()}


def _plain(by_class: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    return {name: [finite(value) for value in values] for name, values in by_class.items()}


def own_predictions(
    evaluation: Evaluation, rows: Mapping[str, list[Array]], examples: Examples, scoring: Scoring, *, losses: bool
) -> Tree | None:
    """Keep what is predicted of every client's own test examples, client by client; None where none was asked for.

    Args:
        evaluation: the predictions.
        rows: of each client, by view.
        examples: all of them.
        scoring: of the decision.
        losses: whether to keep of a class how likely it was, too.

    Returns:
        ``test/predicted``, the class, or the number of classes where numbers are not finite, which is never right; of
        other tasks what ``example_values`` says. ``test/part``, where the metric is a mean of parts that these do not
        say.
    """
    if "test" not in rows:
        return None
    parts, found = rows["test"], np.concatenate(evaluation.probabilities["test"])
    owner, truth = np.repeat(np.arange(len(parts)), [len(own) for own in parts]), examples.truth[np.concatenate(parts)]
    values, task = example_values(truth, found, examples.task), examples.task
    if task.kind == "classification":
        values = {name: values[name] for name in _kept_of_class(scoring.metric, losses=losses) if name in values}
    part = example_parts(truth, found, owner, len(parts), task, scoring.metric, scoring)
    if part is not None and scoring.metric not in (*RIGHT_OR_WRONG, "log_loss"):
        values["part"] = part
    whole = {"predicted": _smallest(found.shape[1])} if task.kind == "classification" else {}
    return {f"test/{name}": torch.from_numpy(each).to(whole.get(name, torch.float32)) for name, each in values.items()}


def _kept_of_class(metric: str, *, losses: bool) -> tuple[str, ...]:
    """Name what is kept of each example of a classification, as little as the metric needs."""
    if losses:
        return ("predicted", "log_loss", "confidence", "probability")
    if metric in RIGHT_OR_WRONG:
        return ("predicted",)
    return ("predicted", "log_loss", "confidence") if metric == "log_loss" else ("predicted", "probability")


def _smallest(most: int) -> torch.dtype:
    """Return the smallest type of whole numbers from 0 to ``most``."""
    return next(kind for kind in (torch.uint8, torch.int16, torch.int32) if most <= torch.iinfo(kind).max)


def training_sample(federation: Federation, *, most_clients: int = 50, most_rows: int = 1000) -> list[Array]:
    """Return for each client the training examples on which an arm is checked; none for most of very many.

    Args:
        federation: whose seen clients are checked.
        most_clients: that are checked.
        most_rows: of all of them together.
    """
    able = [i for i, client in enumerate(federation.clients) if client.seen and len(client.train)]
    chosen = {able[i] for i in _evenly(len(able), most_clients)}
    each = most_rows // max(1, len(chosen))
    return [
        client.train[_evenly(len(client.train), each)] if i in chosen else np.empty(0, dtype=np.int64)
        for i, client in enumerate(federation.clients)
    ]


def _evenly(count: int, most: int) -> Array:
    """Return at most so many positions of so many, in even steps."""
    positions: Array = np.arange(min(count, most), dtype=np.int64) * count // max(1, min(count, most))
    return positions


def learnt(
    federation: Federation,
    activations: Activations,
    shared: Received,
    began: Received | None,
    sample: Sequence[Array],
    evaluation: Evaluation,
) -> list[ClientTally]:
    """Count, for each seen client, what it ends with on training and validation data, beside what the start says.

    Args:
        federation: the clients.
        activations: of its examples.
        shared: what the clients received.
        began: the start; None where nothing was trained after it.
        sample: each client's training examples that are checked.
        evaluation: of what each client ends with; without ``train`` where that is what it received.
    """
    labels, predict = activations.examples.labels, partial(_on_sample, federation, activations, sample)
    last, val = evaluation.probabilities.get("train") or predict(shared), evaluation.probabilities["val"]
    first = predict(began) if began else None
    return [
        ClientTally.of((labels[sample[i]], last[i]), (labels[client.val], val[i]), first[i] if first else None)
        for i, client in enumerate(federation.clients)
        if client.seen
    ]


def fits(
    federation: Federation,
    activations: Activations,
    shared: Received,
    began: Received | None,
    sample: Sequence[Array],
    evaluation: Evaluation,
) -> Fits:
    """Measure the same where the task has no classes; arguments as :func:`learnt`."""
    truth, task = activations.examples.truth, federation.task
    seen = [i for i, client in enumerate(federation.clients) if client.seen]
    val = [client.val for client in federation.clients]

    def fit(said: Sequence[Array], rows: Sequence[Array]) -> Fit | None:
        return Fit.of(task, [(truth[rows[i]], said[i]) for i in seen])

    predict = partial(_on_sample, federation, activations, sample)
    last = evaluation.probabilities.get("train") or predict(shared)
    return Fits(
        train=fit(last, sample),
        began=fit(predict(began), sample) if began else None,
        val=fit(evaluation.probabilities["val"], val),
    )


def _on_sample(
    federation: Federation, activations: Activations, sample: Sequence[Array], received: Received
) -> list[Array]:
    """Predict each client's training examples that are checked."""
    views = {"train": list(sample)}
    return predict_received(received, federation.clients, activations, views).probabilities["train"]


def started(network: Network, weights: Params, shared: Received, adapt: Adapt) -> Received:
    """Return the start, cut where the arm trains: what lies below is known by now."""
    return Received(*cut_at(network, weights, (shared.method or adapt).trainable))


def pack(federated: Federated) -> tuple[dict[str, Any], Tree]:
    """Turn the result of rounds into facts and one tree."""
    facts = {
        "rounds": federated.rounds,
        "traffic": asdict(federated.traffic),
        "excluded": [asdict(exclusion) for exclusion in federated.excluded],
        "members": list(federated.privates),
        "halved": list(federated.halved),
    }
    tree = {f"shared/{name}": value for name, value in federated.shared.items()}
    tree |= {f"state/{name}": value for name, value in federated.state.items()}
    tree |= {f"newcomer/{name}": value for name, value in federated.newcomer.items()}
    for position, private in enumerate(federated.privates.values()):
        tree |= {f"private/{position}/{name}": value for name, value in private.items()}
    return facts, tree


def unpack(node: Node, device: torch.device = CPU) -> Federated:
    """Undo :func:`pack`, on a device; trees of single clients follow when they are asked for."""
    tree, facts = node.tree or {}, node.facts

    return Federated(
        placed(part(tree, "shared/"), device),
        {client: part(tree, f"private/{position}/") for position, client in enumerate(facts["members"])},
        placed(part(tree, "newcomer/"), device),
        Traffic(**facts["traffic"]),
        tuple(Exclusion(**exclusion) for exclusion in facts["excluded"]),
        facts["rounds"],
        placed(part(tree, "state/"), device),
        tuple(facts.get("halved", ())),
    )
