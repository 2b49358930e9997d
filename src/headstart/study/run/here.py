"""Clients work here: every example is at hand, as in a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headstart.core.arrays import Array
from headstart.core.trees import Tree
from headstart.data.federation import Federation, pooled_client
from headstart.engine.adaptation import Evaluation, adapt_and_predict, is_better
from headstart.engine.received import Federated, Received
from headstart.engine.rounds import run_rounds
from headstart.engine.settled import settled
from headstart.evidence.gathered import Gathered
from headstart.evidence.measured import measure
from headstart.models.model import cut_at
from headstart.study.run.curve import Curve, CurvePoint, is_curve_point
from headstart.study.run.facts import evaluation_facts, fits, learnt, own_predictions, pack, started, training_sample
from headstart.study.run.pruning import Watch, sees_clients
from headstart.study.run.trunk import Trunk
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import DecisionSettings

if TYPE_CHECKING:
    from headstart.study.run.folder import RunFolder
    from headstart.study.run.pipeline import Pipeline

_Json = dict[str, Any]


class Here:
    """Work in this process, on examples that are here."""

    final_views = ("val", "test", "global_test")
    is_here = True
    is_masked = False

    def federate(self, pipeline: Pipeline, before: Trunk, stage: Stage) -> tuple[_Json, Tree]:
        """Run a federated stage."""
        method, points = stage.build(), list[CurvePoint]()
        model, params = cut_at(before.network, before.weights, method.trainable)
        federation, activations = pipeline.federation, pipeline.lab.activations
        curve = Curve(federation.seen_clients, activations, stage.method, before.traffic.total, pipeline.scoring)

        def on_round(now: Federated) -> None:
            pipeline.tell(f"federate {stage.method}, round {now.rounds} of {method.schedule.rounds}")
            if is_curve_point(now.rounds, method.schedule.rounds, pipeline.eval_every):
                points.append(curve.point(Received(model, params, method, now), now))

        federated = run_rounds(
            method,
            model,
            params,
            pooled_client(federation) if method.pooled else federation.seen_clients,
            activations,
            engine=pipeline.engine or pipeline.lab.engine,
            seed=pipeline.seed,
            max_bad_clients=pipeline.max_bad_clients,
            on_round=on_round,
        )
        federated = settled(
            method,
            model,
            params,
            federated,
            federation.clients,
            activations,
            engine=pipeline.lab.engine,
            seed=pipeline.seed,
        )
        # No round follows that would need what the server keeps to itself.
        facts, tree = pack(replace(federated, state={}))
        return {**facts, "curve": points}, tree

    def adapt(
        self, pipeline: Pipeline, trunk: Trunk, stage: Stage, views: Sequence[str], watch: Watch | None
    ) -> tuple[_Json, Tree | None]:
        """Let every client adapt, and evaluate it."""
        lab, federation, method = pipeline.lab, pipeline.federation, stage.build()
        all_views = lab.views(federation)
        rows, scoring = {view: all_views[view] for view in views}, pipeline.scoring
        sample = training_sample(federation) if "test" in views else []
        evaluation = adapt_and_predict(
            method,
            trunk.shared,
            federation.clients,
            lab.activations,
            {**rows, "train": sample} if sample and not method.changes_nothing else rows,
            engine=pipeline.engine or lab.engine,
            seed=pipeline.seed,
            better=is_better(scoring, federation.task),
            watch=sees_clients(watch, federation, scoring) if watch else None,
        )
        facts = evaluation_facts(evaluation, rows, federation, scoring)
        facts["accepted"] = None if method.changes_nothing else float(evaluation.accepted.mean())
        if sample:
            facts["learnt"] = _learnt(pipeline, trunk, method, evaluation, sample)
        return facts, own_predictions(evaluation, rows, federation.examples, scoring, losses=pipeline.losses)

    def diagnose(self, pipeline: Pipeline, arms: Sequence[Arm], decision: DecisionSettings) -> Mapping[str, Any]:
        """Diagnose the data by frozen features."""
        from headstart.study.diagnosis import diagnose_lab, undiagnosed

        if not pipeline.lab.federation.task.is_classification:
            return undiagnosed(pipeline.lab.federation)
        return diagnose_lab(pipeline.lab, pipeline, arms, decision).as_json()

    def gather(self, folder: RunFolder, federation: Federation, arms: Sequence[str], metric: str) -> Gathered:
        """Read what was kept of every test example."""
        from headstart.study.run.predictions import outcomes

        return Gathered(outcomes(folder, federation, arms, metric))


def _learnt(
    pipeline: Pipeline, trunk: Trunk, method: Any, evaluation: Evaluation, sample: list[Array]
) -> dict[str, Any]:
    """Say what clients end with on training and validation data, beside what the start says there."""
    began = None
    if trunk.began and (trunk.shared.method or not method.changes_nothing):
        weights = trunk.began.model.weights(trunk.began.common)
        began = started(trunk.network, weights, trunk.shared, method)
    federation, activations = pipeline.federation, pipeline.lab.activations
    if not federation.task.is_classification:
        return fits(federation, activations, trunk.shared, began, sample, evaluation).as_json()
    return measure(learnt(federation, activations, trunk.shared, began, sample, evaluation)).as_json()
