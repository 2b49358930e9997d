"""What clients do in a study: rounds, and adapting what they received. Here, or where their data are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from headstart.core.trees import Tree
from headstart.data.federation import Federation
from headstart.evidence.gathered import Gathered
from headstart.study.run.pruning import Watch
from headstart.study.run.trunk import Trunk
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import DecisionSettings

if TYPE_CHECKING:
    from headstart.study.run.folder import RunFolder
    from headstart.study.run.pipeline import Pipeline

TRIAL_VIEWS = ("val",)
"""Trials never see a test example."""

Json = dict[str, Any]


class Work(Protocol):
    """Where clients work."""

    @property
    def final_views(self) -> tuple[str, ...]:
        """On which a finished arm is evaluated."""
        ...

    @property
    def is_here(self) -> bool:
        """Whether the clients' examples are here, so that pieces of work can be done beside each other."""
        ...

    @property
    def is_masked(self) -> bool:
        """Whether whoever adds up what clients send can read no single update."""
        ...

    def federate(self, pipeline: Pipeline, before: Trunk, stage: Stage) -> tuple[Json, Tree]:
        """Run a federated stage; return its facts, learning curve among them, and what it left."""
        ...

    def adapt(
        self,
        pipeline: Pipeline,
        trunk: Trunk,
        stage: Stage,
        views: Sequence[str],
        watch: Watch | None,
    ) -> tuple[Json, Tree | None]:
        """Let every client adapt; return scores by view, and what was predicted of test examples, if it is here.

        Raises:
            Pruned: the watch ends the trial.
        """
        ...

    def diagnose(self, pipeline: Pipeline, arms: Sequence[Arm], decision: DecisionSettings) -> Mapping[str, Any]:
        """Look at the training and validation data before any arm runs."""
        ...

    def gather(self, folder: RunFolder, federation: Federation, arms: Sequence[str], metric: str) -> Gathered:
        """Return what runs said of every client's own test examples, as far as it may be known."""
        ...
