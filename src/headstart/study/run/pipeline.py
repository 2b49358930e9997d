"""The three stages of one arm and seed, each found in the store or computed and kept there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headstart.core.content import hash_json
from headstart.core.device import placed
from headstart.core.errors import HeadstartError, StartError
from headstart.core.machine import suitable_threads, threads
from headstart.core.progress import Silent, Tell
from headstart.core.trees import Params
from headstart.core.version import __version__
from headstart.data.federation import Federation
from headstart.engine.protocol import Engine
from headstart.engine.received import Received, Traffic
from headstart.evidence.metrics import Scoring, scoring_key
from headstart.models.cut import Trainable, trains_head
from headstart.models.model import Model, cut_at
from headstart.study.lab import Lab
from headstart.study.run.facts import unpack
from headstart.study.run.here import Here
from headstart.study.run.nodes import Node, NodeStore
from headstart.study.run.pruning import Pruned, Watch
from headstart.study.run.starts import first_weights
from headstart.study.run.trunk import Trunk
from headstart.study.run.work import Work
from headstart.study.ways import keeping
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.decided import positive_and_specificity
from headstart.study.written.schema import StudySettings


@dataclass(frozen=True)
class Pipeline:
    """Runs arms for one seed.

    Attributes:
        lab: data, network, engine.
        store: finished nodes.
        seed: of everything random.
        metric: that decides whether a client accepts its adapted parameters.
        positive: position of the class that is looked for; None leaves it to :class:`Scoring`.
        specificity: at which sensitivity is read.
        max_bad_clients: share of a cohort that may fail.
        eval_every: rounds between two points of a learning curve; None makes about ten points.
        losses: whether leaves keep the losses of test examples, whatever the metric.
        tell: told what is being done.
        engine: where client work runs; None takes the lab's.
        work: what clients do, here or where their data are.
        failed: what stopped nodes, by their key: it comes again at once; filled as that happens.
    """

    lab: Lab
    store: NodeStore
    seed: int
    metric: str
    positive: int | None = None
    specificity: float = Scoring.specificity
    max_bad_clients: float = 0.5
    eval_every: int | None = None
    losses: bool = False
    tell: Tell = Silent().tell
    engine: Engine | None = None
    work: Work = Here()
    failed: dict[str, HeadstartError] = field(default_factory=dict)

    @property
    def final_views(self) -> tuple[str, ...]:
        """The views on which a finished arm is evaluated."""
        return self.work.final_views

    @cached_property
    def federation(self) -> Federation:
        """The federation with this seed's train and validation parts."""
        return self.lab.at(self.seed)

    @cached_property
    def scoring(self) -> Scoring:
        """How predictions are scored."""
        return Scoring(metric=self.metric, positive=self.positive, specificity=self.specificity)

    def trunk(self, arm: Arm) -> Trunk:
        """Run start and federated stages."""
        trunk = self.start(arm.start)
        for stage in arm.federate:
            trunk = self.federate(trunk, stage)
        return trunk

    def trunk_key(self, arm: Arm) -> str:
        """Name the result of an arm's first stages by content, without running them."""
        key = self.start_key(arm.start)
        for stage in arm.federate:
            key = self.federate_key(key, stage)
        return key

    def federate_key(self, before: str, stage: Stage) -> str:
        """Name the result of a federated stage by content."""
        how = [self.max_bad_clients, self.eval_every, *self._rounded]
        return hash_json(["federate", before, self.federation.key, stage.as_json(), *how])

    def start_key(self, stage: Stage) -> str:
        """Name the result of a start by content."""
        lab = self.lab
        # Random weights know nothing of the pool, so that another pool leaves them as they are.
        central = lab.federation.central if stage.build().is_trained else None
        return hash_json(
            [
                *("start", __version__, lab.spec.as_json(), str(lab.dtype), self.start_seed(stage)),
                *(list(lab.federation.examples.shape), lab.federation.task.words),
                *(central.key if central else None, stage.as_json()),
                *self._rounded,
            ]
        )

    @property
    def _rounded(self) -> list[str]:
        """What the precision adds to a node's name: nothing where it is exact."""
        return [] if self.lab.precision == "float32" else [self.lab.precision]

    def start_seed(self, stage: Stage) -> int:
        """Return the seed of a start: its own, if it has one, is shared by all seeds of the study."""
        own = stage.settings.get("seed")
        return self.seed if own is None else int(own)

    def start(self, stage: Stage) -> Trunk:
        """Return the first weights.

        Raises:
            StartError: they cannot be trained, now or when that was tried before.
        """
        key, method = self.start_key(stage), stage.build()
        network = self.lab.skeleton(from_scratch=method.from_scratch)
        model, params = cut_at(network, self._started(key, stage, method), "head")
        first = Received(model, params)
        return Trunk(key, network, first, method.is_trained, keys=(key,), began=first, from_scratch=method.from_scratch)

    def has_start(self, key: str) -> bool:
        """Say whether a start is there, in this study's store or in that of all studies."""
        return self.store.has(key) or bool(self.lab.starts and self.lab.starts.has(key))

    def _started(self, key: str, stage: Stage, method: Any) -> Params:
        """Return a start's weights: from memory, from the store, or made now."""
        known = self.lab.begun.get(key)
        if known is not None and self.store.has(key):
            return known
        # Random weights are drawn faster than they are read: they need no place in the user's cache.
        studies = self.lab.starts if method.is_trained else None
        found = self.store.get(key) or self.store.copy(key, studies)
        if found is None:
            self.tell(f"start {stage.method}")
            found = self._run_start(key, stage, studies)
        if reason := found.facts.get("failed"):
            raise StartError(reason)
        return self.lab.begun.keep(key, placed(found.tree or {}, self.lab.device))

    def _run_start(self, key: str, stage: Stage, studies: NodeStore | None) -> Node:
        begin = time.monotonic()
        try:
            with self.lab.rounding():
                weights = first_weights(self.lab, stage, self.start_seed(stage), self.tell)
        except StartError as error:
            # Other arms that need it are told the same without trying again.
            return self.store.put(key, {"kind": "start", "failed": str(error), "seconds": time.monotonic() - begin})
        facts = {"kind": "start", "seconds": time.monotonic() - begin}
        if not studies:
            return self.store.put(key, facts, weights)
        made = studies.put(key, facts, weights)
        self.store.share(made, studies, key)
        studies.evict()
        return made

    def federate(self, before: Trunk, stage: Stage) -> Trunk:
        """Run one federated stage."""
        key = self.federate_key(before.key, stage)
        method = stage.build()
        model, params = cut_at(before.network, before.weights, method.trainable)
        found = self.store.get(key)
        if found is None:
            self.tell(f"federate {stage.method}")
            found = self._run_federate(key, before, stage)
        federated = unpack(found, self.lab.device)
        return Trunk(
            key,
            before.network,
            Received(model, params, method, federated),
            before.sends_weights,
            curve=(*before.curve, *found.facts["curve"]),
            traffic=Traffic(
                before.traffic.download + federated.traffic.download,
                before.traffic.upload + federated.traffic.upload,
            ),
            excluded=(*before.excluded, *federated.excluded),
            keys=(*before.keys, key),
            began=before.began,
            halved=(*before.halved, *federated.halved),
            from_scratch=before.from_scratch,
            last=stage,
        )

    def _run_federate(self, key: str, before: Trunk, stage: Stage) -> Node:
        begin = time.monotonic()
        with self._noted(key), _threads(before.shared.model, stage.build().trainable), self.lab.rounding():
            facts, tree = self.work.federate(self, before, stage)
        return self.store.put(key, {"kind": "federate", **facts, "seconds": time.monotonic() - begin}, tree)

    def leaf_key(self, trunk_key: str, stage: Stage, views: Sequence[str]) -> str:
        """Name the result of an adaptation by content."""
        # The facts list the clients in their order, which the federation's key does not depend on.
        clients = [client.id for client in self.federation.clients]
        more = ["losses"] if self.losses and "test" in views else []
        views = [*views, str(self.lab.global_test_examples), *more, *scoring_key(self.scoring)]
        return hash_json(
            ["adapt", trunk_key, self.federation.key, clients, stage.as_json(), self.metric, views, *self._rounded]
        )

    def leaf(self, trunk: Trunk, stage: Stage, views: Sequence[str], watch: Watch | None = None) -> Node:
        """Let every client adapt; evaluate on the named views.

        Raises:
            Pruned: the watch ends the trial, now or when it was run before.
        """
        key = self.leaf_key(trunk.key, stage, views)
        found = self.store.get(key)
        if found is None:
            self.tell(f"adapt {stage.method}")
            found = self._watched(key, trunk, stage, views, watch)
        return _whole(found)

    def result(self, arm: Arm, views: Sequence[str], watch: Watch | None = None) -> Node:
        """Run a whole arm, unless its last node is there: then its first ones need not be."""
        found = self.store.get(self.leaf_key(self.trunk_key(arm), arm.adapt, views))
        return _whole(found) if found else self.leaf(self.trunk(arm), arm.adapt, views, watch)

    def _watched(self, key: str, trunk: Trunk, stage: Stage, views: Sequence[str], watch: Watch | None) -> Node:
        """Run an adaptation, or note where its watch ended it: heads, which are done all at once, are not watched."""
        model, trainable = trunk.shared.model, stage.build().trainable
        try:
            with _threads(model, trainable):
                return self._run_adapt(key, trunk, stage, views, None if _is_head(model, trainable) else watch)
        except Pruned as stop:
            return self.store.put(key, {"kind": "pruned", "values": list(stop.values)})

    @contextmanager
    def _noted(self, key: str) -> Iterator[None]:
        """Raise what stopped a node before; note what stops it now, but for a watch, whose values are a node."""
        if key in self.failed:
            raise self.failed[key]
        try:
            yield
        except Pruned:
            raise
        except HeadstartError as error:
            self.failed[key] = error
            raise

    def _run_adapt(
        self, key: str, trunk: Trunk, stage: Stage, views: Sequence[str], watch: Watch | None = None
    ) -> Node:
        begin = time.monotonic()
        with self._noted(key), self.lab.rounding():
            facts, kept = self.work.adapt(self, trunk, stage, views, watch)
        return self.store.put(key, {"kind": "adapt", **facts, "seconds": time.monotonic() - begin}, kept)


@contextmanager
def _threads(model: Model, trainable: Trainable) -> Iterator[None]:
    """Let heads be trained and asked by one thread, unless they are large."""
    small = suitable_threads(model.network.num_features**2) == 1
    with threads(1) if small and _is_head(model, trainable) else nullcontext():
        yield


def _is_head(model: Model, trainable: Trainable) -> bool:
    """Say whether a stage after this model trains or asks a head alone."""
    return model.is_head_only and trains_head(model.network, trainable)


def pipeline_of(
    settings: StudySettings, lab: Lab, store: NodeStore, seed: int, tell: Tell, work: Work | None = None
) -> Pipeline:
    """Return what runs a study's arms for one seed."""
    return Pipeline(
        lab,
        store,
        seed,
        settings.decision.metric,
        **positive_and_specificity(settings.decision, lab.federation.task),
        max_bad_clients=settings.engine.max_bad_clients,
        eval_every=settings.evaluation.eval_every,
        losses=settings.evaluation.losses,
        tell=tell,
        engine=keeping(lab.engine, store.folder),
        work=work or Here(),
    )


def _whole(found: Node) -> Node:
    """Return a finished node, or say that it was ended early."""
    if found.facts["kind"] == "pruned":
        raise Pruned(found.facts["values"])
    return found
