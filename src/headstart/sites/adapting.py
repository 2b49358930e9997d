"""A site's last stage: it adapts what it received, keeps it, and says what may be said of how good it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from headstart.core.arrays import Array
from headstart.core.trees import Tree
from headstart.engine.adaptation import Evaluation, adapt_and_predict, is_better
from headstart.engine.received import Federated, Received
from headstart.engine.ways.serial import Serial
from headstart.evidence.outcomes import RIGHT_OR_WRONG
from headstart.evidence.tally import ClientTally
from headstart.federate.protocol import settles
from headstart.models.model import cut_at
from headstart.sites.counting import keep_predictions
from headstart.sites.gate import Gate, class_counts_told
from headstart.sites.messages import Adapt
from headstart.sites.randomness import SystemChance
from headstart.sites.said import Evaluated
from headstart.sites.site import Opened, Site
from headstart.study.run.facts import evaluation_facts, learnt, started, training_sample

T = TypeVar("T")


def adapt(gate: Gate, said: Adapt, tree: Tree) -> tuple[Evaluated, Tree]:
    """Adapt what was received, keep it here, and say what the operator allows of how good it is."""
    gate.check_setup(said.setup)
    site = gate.site
    own, method = site.open(said.setup), said.method.build("adapt")
    received, federation = _received(site, own, said, tree), own.lab.at(said.setup.seed)
    views = {"val": [own.client.val], "test": [own.client.test]}
    rows: dict[str, list[Array]] = {view: views[view] for view in said.views}
    is_last = "test" in said.views
    # As in a simulation, to the same end: what is changed by nobody is predicted once.
    sample = training_sample(federation) if is_last else []
    evaluation = adapt_and_predict(
        method,
        received,
        [own.client],
        own.lab.activations,
        {**rows, "train": sample} if is_last and not method.changes_nothing else rows,
        engine=Serial(),
        seed=said.setup.seed,
        better=is_better(said.scoring, federation.task),
        keep=(lambda _, weights: site.shelf.put_own(weights)) if is_last else None,
        chance=SystemChance,
    )
    if is_last:
        _keep(site, said, own, received, evaluation)
    few = gate.enough(own.client, ["train", *said.views])
    if few or not site.allows("metrics"):
        return Evaluated(None, {}, {}, (), kept_back=few), {}
    facts = evaluation_facts(evaluation, rows, federation, said.scoring)
    tally = _tally(site, said, own, received, evaluation, sample) if is_last else None
    found = _evaluated(bool(evaluation.accepted[0]), facts, tally, own.lab.span)
    return _coarse(found) if site.is_covered else found, {}


def _keep(site: Site, said: Adapt, own: Opened, received: Received, evaluation: Evaluation) -> None:
    """Keep here what a finished arm came to: the weights, and what they predict."""
    if not evaluation.accepted[0]:
        site.shelf.put_own(received.model.weights(received.of(own.client)))
    keep_predictions(site, said.run, own, evaluation)


def _tally(
    site: Site, said: Adapt, own: Opened, received: Received, evaluation: Evaluation, sample: list[Array]
) -> ClientTally | None:
    """Count what says whether the arm has learnt, if every class that is there has enough examples to be counted."""
    method, federation = said.method.build("adapt"), own.lab.at(said.setup.seed)
    began = started(own.network, site.shelf.weights(said.began), received, method) if said.began else None
    (tally,) = learnt(federation, own.lab.activations, received, began, sample, evaluation)
    parts = [part.counts for part in (tally.train, tally.began, tally.val) if part]
    return tally if class_counts_told(parts, site.minima.class_examples) else None


def _coarse(said: Evaluated) -> Evaluated:
    """Leave out scores that are no counts of right examples, and round the rest: digits of losses tell rows."""
    metrics = {view: _counts_of_right(found) for view, found in said.metrics.items()}
    return replace(
        said,
        metrics=metrics,
        pooled={view: _counts_of_right(found) for view, found in said.pooled.items()},
        learnt=said.learnt and said.learnt.coarse(),
        span=10.0 ** math.ceil(math.log10(said.span)),
    )


def _counts_of_right(found: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in found.items() if name in (*RIGHT_OR_WRONG, "num_examples")}


def _evaluated(accepted: bool, facts: Mapping[str, Any], tally: ClientTally | None, span: float) -> Evaluated:
    metrics = {
        view: {name: tuple(values) for name, values in found.items()} for view, found in facts["metrics"].items()
    }
    # Why an adaptation failed may quote what it was made of.
    excluded = tuple({**one, "reason": "its adaptation failed"} for one in facts["excluded"])
    return Evaluated(accepted, metrics, facts["pooled"], excluded, tally, span)


def _received(site: Site, own: Opened, said: Adapt, tree: Tree) -> Received:
    """Return the model that was received, or what a stage's shared tree and the private one kept here make of it."""
    if said.stage is None:
        return Received(*cut_at(own.network, own.weights, "all"))
    method = said.stage.method.build("federate")
    model, params = cut_at(own.network, own.weights, method.trainable)
    first = method.init(model, params).private
    private = site.shelf.private(said.stage.key, said.rounds, first)
    if settles(method) and len(own.client.train):
        private = method.settle(model, tree, private, own.train(said.setup.seed, "settle"))
    return Received(model, params, method, Federated(tree, {site.name: private} if private else {}, first))
