"""Results as facts: what JSON can say of them, and what goes into a tree of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from headstart.adapt.protocol import Adapt
from headstart.core.arrays import Array
from headstart.core.plain import finite
from headstart.core.trees import Params, Tree, part
from headstart.data.federation import Federation
from headstart.engine.adaptation import Evaluation, predict_received
from headstart.engine.features.activations import Activations
from headstart.engine.received import Exclusion, Federated, Received, Traffic
from headstart.evidence.fits import Fit, Fits
from headstart.evidence.metrics import client_metrics, example_values, pooled_metrics
from headstart.evidence.tally import ClientTally
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.study.run.nodes import Node


def evaluation_facts(
    evaluation: Evaluation, rows: Mapping[str, list[Array]], federation: Federation, labels: Array
) -> dict[str, Any]:
    """Turn predictions into metrics per client, by view, and pooled over the seen clients' own test examples."""
    metrics, pooled = {}, {}
    seen = [i for i, client in enumerate(federation.clients) if client.seen]
    for view, parts in rows.items():
        found, owner = (
            evaluation.probabilities[view],
            np.repeat(np.arange(len(parts)), [len(p) for p in parts]),
        )
        if not len(owner):
            continue
        each = client_metrics(labels[np.concatenate(parts)], np.concatenate(found), owner, len(parts))
        metrics[view] = {name: [finite(v) for v in values] for name, values in each.items()}
        some = [i for i in seen if len(parts[i])]
        if some:
            together = labels[np.concatenate([parts[i] for i in some])]
            pooled[view] = pooled_metrics(together, np.concatenate([found[i] for i in some]))
    excluded = [asdict(exclusion) for exclusion in evaluation.excluded]
    return {"metrics": metrics, "pooled": pooled, "excluded": excluded}


def own_predictions(
    evaluation: Evaluation, rows: Mapping[str, list[Array]], labels: Array, *, losses: bool
) -> Tree | None:
    """Keep what is predicted of every client's own test examples, client by client; None where none was asked for.

    Args:
        evaluation: the predictions.
        rows: of each client, by view.
        labels: of all examples.
        losses: whether to keep each example's log loss and confidence too.

    Returns:
        ``test/predicted``, the class, or the number of classes where numbers are not finite, which is never right.
    """
    if "test" not in rows:
        return None
    found = np.concatenate(evaluation.probabilities["test"])
    values = example_values(labels[np.concatenate(rows["test"])], found)
    kinds = {"predicted": _smallest(found.shape[1])}
    kinds |= {"log_loss": torch.float32, "confidence": torch.float32} if losses else {}
    return {f"test/{name}": torch.from_numpy(values[name]).to(kind) for name, kind in kinds.items()}


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
    labels = activations.examples.labels

    def predict(received: Received) -> list[Array]:
        return predict_received(received, federation.clients, activations, {"train": list(sample)}).probabilities[
            "train"
        ]

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
    val = [federation.clients[i].val for i in range(len(federation.clients))]

    def fit(said: Sequence[Array], rows: Sequence[Array]) -> Fit | None:
        return Fit.of(task, [(truth[rows[i]], said[i]) for i in seen])

    def predict(received: Received) -> list[Array]:
        views = {"train": list(sample)}
        return predict_received(received, federation.clients, activations, views).probabilities["train"]

    last = evaluation.probabilities.get("train") or predict(shared)
    return Fits(
        train=fit(last, sample),
        began=fit(predict(began), sample) if began else None,
        val=fit(evaluation.probabilities["val"], val),
    )


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


def unpack(node: Node) -> Federated:
    """Undo :func:`pack`."""
    tree, facts = node.tree or {}, node.facts

    return Federated(
        part(tree, "shared/"),
        {client: part(tree, f"private/{position}/") for position, client in enumerate(facts["members"])},
        part(tree, "newcomer/"),
        Traffic(**facts["traffic"]),
        tuple(Exclusion(**exclusion) for exclusion in facts["excluded"]),
        facts["rounds"],
        part(tree, "state/"),
        tuple(facts.get("halved", ())),
    )
