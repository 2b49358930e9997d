"""Results as facts: what JSON can say of them, and what goes into a tree of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.plain import finite
from headstart.core.trees import Tree, part
from headstart.data.federation import Federation
from headstart.engine.adaptation import Evaluation
from headstart.engine.received import Exclusion, Federated, Traffic
from headstart.evidence.metrics import client_metrics, pooled_metrics
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


def pack(federated: Federated) -> tuple[dict[str, Any], Tree]:
    """Turn the result of rounds into facts and one tree."""
    facts = {
        "rounds": federated.rounds,
        "traffic": asdict(federated.traffic),
        "excluded": [asdict(exclusion) for exclusion in federated.excluded],
        "members": list(federated.privates),
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
    )
