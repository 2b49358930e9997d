"""Clients work where their data are: a study's rounds and adaptations, asked of sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from headstart.core.trees import Tree
from headstart.data.federation import Federation
from headstart.evidence.gathered import Gathered
from headstart.sites.claims import believed, doubt_evaluation
from headstart.sites.gathered import Counting
from headstart.sites.held import Held
from headstart.sites.messages import Adapt, Method, Setup, Stage
from headstart.sites.scores import facts_of
from headstart.sites.server import Server
from headstart.sites.stage import run_stage
from headstart.sites.transport import Answer
from headstart.study.run.pruning import Watch, scores_of
from headstart.study.run.trunk import Trunk
from headstart.study.written.arms import Arm
from headstart.study.written.arms import Stage as Written
from headstart.study.written.schema import DecisionSettings, Metric

if TYPE_CHECKING:
    from headstart.study.run.folder import RunFolder
    from headstart.study.run.pipeline import Pipeline

_Json = dict[str, Any]


class Begun(NamedTuple):
    """A start that all sites hold, and what requests say of data and model."""

    trunk: Trunk
    setup: Setup


@dataclass(frozen=True, eq=False)
class AtSites:
    """A study's work over real sites.

    Attributes:
        server: of the federation.
    """

    server: Server
    final_views = ("val", "test")
    is_here = False

    @property
    def is_masked(self) -> bool:
        """Whether sites send under masks, of which their total can be read alone."""
        return self.server.asks.secure

    @cached_property
    def held(self) -> Held:
        """What the sites were sent."""
        return Held(self.server)

    @cached_property
    def counting(self) -> Counting:
        """What the sites counted."""
        return Counting(self.server)

    def federate(self, pipeline: Pipeline, before: Trunk, stage: Written) -> tuple[_Json, Tree]:
        """Run a federated stage, from the round where an earlier run of it stood.

        Raises:
            SettingError: the method needs all examples in one place, or nobody may send what it asks for.
            ClientError: too many sites are lost.
        """
        setup = self._setup(pipeline, before, self.held.send(before.weights, pipeline.tell))
        asked = Stage(Method.of(stage), pipeline.federate_key(before.key, stage))
        return run_stage(self.server, pipeline, before, stage, setup, asked)

    def adapt(
        self, pipeline: Pipeline, trunk: Trunk, stage: Written, views: Sequence[str], watch: Watch | None
    ) -> tuple[_Json, Tree | None]:
        """Let every site adapt and evaluate; it keeps the result of a finished arm.

        Raises:
            ClientError: too many sites are lost.
            Pruned: the watch ends the trial.
        """
        server, federated = self.server, trunk.shared.federated
        came = self._adapted(pipeline, trunk, stage, views)
        said = {server.sites[one.site].client: one.said for one in came if isinstance(one, Answer)}
        lost = server.excluded(came, federated.rounds if federated else 0)
        server.check_lost(lost)
        facts = facts_of(said, pipeline.federation, views, is_kept=stage.build().changes_nothing)
        facts["excluded"] = [*map(asdict, [*server.lost, *lost]), *facts["excluded"]]
        if watch:
            for score in scores_of(facts, pipeline.federation, pipeline.metric):
                watch.see(score)
        return facts, None

    def diagnose(self, pipeline: Pipeline, arms: Sequence[Arm], decision: DecisionSettings) -> Mapping[str, Any]:
        """Ask a probe's question, where sums of features may leave."""
        from headstart.sites.probe.diagnosis import diagnosis

        return diagnosis(self, pipeline, arms, decision)

    def gather(self, folder: RunFolder, federation: Federation, arms: Sequence[str], metric: str) -> Gathered:
        """Ask sites what they count of their test examples."""
        return self.counting.gather(folder, federation, arms, metric)

    def start(self, pipeline: Pipeline, stage: Written) -> Begun:
        """Return a start that all sites hold."""
        trunk = pipeline.start(stage)
        return Begun(trunk, self._setup(pipeline, trunk, self.held.send(trunk.weights, pipeline.tell)))

    def _adapted(self, pipeline: Pipeline, trunk: Trunk, stage: Written, views: Sequence[str]) -> list[Any]:
        """Ask for the adaptation, and look at what comes."""
        server, shared, federated = self.server, trunk.shared, trunk.shared.federated
        # What a stage began with, and what it left, make what clients received.
        setup = self._setup(pipeline, trunk, self.held.send(shared.model.weights(shared.params), pipeline.tell))
        trains = bool(federated) or not stage.build().changes_nothing
        began = trunk.began if trains and "test" in views else None
        asked = Adapt(
            setup=setup,
            method=Method.of(stage),
            metric=cast("Metric", pipeline.metric),
            positive=pipeline.positive,
            specificity=pipeline.specificity,
            views=("val", "test") if "test" in views else ("val",),
            stage=Stage(Method.of(trunk.last), trunk.key) if trunk.last else None,
            rounds=federated.rounds if federated else 0,
            began=self.held.send(began.model.weights(began.common), pipeline.tell) if began else "",
            run=pipeline.leaf_key(trunk.key, stage, views),
        )
        classes = len(server.agreement.classes)
        with server.ask.noting("adapt", stage=asked.run, method=asked.method.name):
            came = server.send(asked, federated.shared if federated else {})
            came = believed(came, lambda one: doubt_evaluation(one.said, server.sites[one.site], classes))
            server.ask.take(came)
        return came

    def _setup(self, pipeline: Pipeline, trunk: Trunk, digest: str) -> Setup:
        file = self.server.file
        return Setup(
            data=file.data,
            agreement=self.server.agreement,
            model=file.model,
            dtype=file.settings.engine.dtype,
            seed=pipeline.seed,
            digest=digest,
            from_scratch=trunk.from_scratch,
        )
