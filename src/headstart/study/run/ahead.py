"""Arms on fixed features, ahead of their turn: stages that train or solve a head alone, of many runs side by side.

What is computed goes into the store under the keys that it has anyway, so that whoever runs the arms one by one finds
it there. A node holds the same numbers, to the last bit, whichever other runs were computed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from headstart.core.errors import HeadstartError
from headstart.core.machine import suitable_threads, threads
from headstart.engine.protocol import Engine
from headstart.engine.ways.together import side_by_side
from headstart.models.cut import trains_head
from headstart.study.run.beside import make_starts
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.trunk import Trunk
from headstart.study.written.arms import Arm, Stage

_Run = tuple[Arm, Pipeline, Sequence[str]]
"""A configuration of an arm, what runs it with one seed, and the views that its last node is evaluated on."""


def compute_ahead(runs: Sequence[_Run]) -> None:
    """Compute the nodes of stages that train or solve a head alone, as far as they are not in the store.

    Stages after one that trains more are left for later; so is what cannot be computed, which raises its error when it
    is asked for in its turn. Starts are made where such a stage needs them.

    Args:
        runs: in any order; stages that several of them share are computed once.
    """
    todo = [(run, stages) for run in runs if (stages := _heads(*run[:2])) and not _is_done(run, stages)]
    make_starts((arm.start, pipeline) for (arm, pipeline, _), _ in todo)
    paths = [path for run, stages in todo if (path := _begun(run, stages))]
    if not paths:
        return
    with threads(suitable_threads(max(path.trunk.network.num_features for path in paths) ** 2)):
        while paths:
            paths = _advanced(paths)


def _heads(arm: Arm, pipeline: Pipeline) -> tuple[Stage, ...]:
    """Return the first stages after the start that train or solve a head alone."""
    network = pipeline.lab.skeleton(from_scratch=arm.start.build().from_scratch)
    return tuple(takewhile(lambda stage: trains_head(network, stage.build().trainable), (*arm.federate, arm.adapt)))


def _is_done(run: _Run, stages: Sequence[Stage]) -> bool:
    """Say whether the node of the last of some stages is there."""
    arm, pipeline, views = run
    key = pipeline.start_key(arm.start)
    for stage in stages:
        key = _key(pipeline, key, stage, views)
    return pipeline.store.has(key)


def _begun(run: _Run, stages: tuple[Stage, ...]) -> _Path | None:
    """Return where a run begins; None where its start cannot be made."""
    arm, pipeline, views = run
    try:
        return _Path(pipeline, tuple(views), pipeline.start(arm.start), stages)
    except HeadstartError:
        return None


def _key(pipeline: Pipeline, before: str, stage: Stage, views: Sequence[str]) -> str:
    """Name the node of a stage by content."""
    if stage.kind == "federate":
        return pipeline.federate_key(before, stage)
    return pipeline.leaf_key(before, stage, views)


@dataclass(frozen=True)
class _Path:
    """A run on its way.

    Attributes:
        pipeline: of its seed.
        views: of its last node.
        trunk: what its stages so far have come to.
        stages: those still to go, at least one.
    """

    pipeline: Pipeline
    views: tuple[str, ...]
    trunk: Trunk
    stages: tuple[Stage, ...]

    @property
    def key(self) -> str:
        """Name the node of the next stage."""
        return _key(self.pipeline, self.trunk.key, self.stages[0], self.views)

    def compute(self, engine: Engine) -> None:
        """Compute the node of the next stage."""
        pipeline, stage = replace(self.pipeline, engine=engine), self.stages[0]
        if stage.kind == "federate":
            pipeline.federate(self.trunk, stage)
        else:
            pipeline.leaf(self.trunk, stage, self.views)

    def next(self) -> _Path:
        """Return the path after a federated stage, which the store has."""
        return replace(self, trunk=self.pipeline.federate(self.trunk, self.stages[0]), stages=self.stages[1:])


def _advanced(paths: Sequence[_Path]) -> list[_Path]:
    """Compute the next stage of all paths, a shared one once; return those that have another."""
    by_key = {path.key: path for path in paths}
    missing = [path for key, path in by_key.items() if not path.pipeline.store.has(key)]
    if missing:
        side_by_side([path.compute for path in missing], missing[0].pipeline.lab.engine)
    return [path.next() for path in paths if len(path.stages) > 1 and path.pipeline.store.has(path.key)]
