"""Stages of large cohorts: all workers of a cluster train blocks of one round, and each answers with one sum.

The round, its server and its private trees are where the study runs; a block takes its clients' trees along, and brings
them back. Whoever is asked for a block of a stage for the first time builds the stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.clients import Clients
from headstart.engine.cohort import adding_of
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Crew as Trainers
from headstart.engine.protocol import Job
from headstart.engine.rounds import job_of, members
from headstart.engine.sums import Sum
from headstart.engine.ways.blocks import WORTH_BLOCKS, Blocks, SumsUp, sum_block
from headstart.models.model import cut_at
from headstart.study.lab import Lab
from headstart.study.run.pipeline import Pipeline
from headstart.study.spread.cluster.crew import Crew, Errand, Member
from headstart.study.spread.cluster.parcels import packed_sum, packed_tree, unpacked_sum, unpacked_tree
from headstart.study.spread.piece import Piece
from headstart.study.written.arms import Arm


def is_large(piece: Piece, lab: Lab) -> bool:
    """Say whether a piece is a federated stage whose rounds are worth all workers."""
    if piece.kind != "federate":
        return False
    method = piece.arms[0].federate[-1].build()
    clients = len(members(lab.federation.seen_clients))
    is_many = not method.pooled and method.schedule.cohort_of(clients) >= WORTH_BLOCKS
    return is_many and not adding_of(method).needs_all


@dataclass(frozen=True, eq=False)
class Cohorts:
    """One stage's rounds, by a crew.

    Attributes:
        crew: of workers.
        piece: the stage.
        values: returns what a worker needs for it, as names of activations and references.
    """

    crew: Crew
    piece: Piece
    values: Callable[[Member], tuple[Any, ...]]

    def engine_of(self, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with the crew as its engine, where that pays."""
        return replace(pipeline, engine=Blocks(pipeline.engine or pipeline.lab.engine, self._actors))

    def _actors(self, job: Job) -> SumsUp:
        def sums(shared: Tree, blocks: Sequence[Array], key: tuple[Key, ...]) -> Iterator[Sum]:
            sent, found = self.crew.link.put(packed_tree(shared)), dict[int, Sum]()
            self.crew.do(self._errand(job, sent, at, block, key, found) for at, block in enumerate(blocks))
            return (found[at] for at in range(len(blocks)))

        return sums

    def _errand(
        self, job: Job, shared: Any, at: int, block: Array, key: tuple[Key, ...], found: dict[int, Sum]
    ) -> Errand:
        said, words = json.dumps(self.piece.as_json()), json.dumps({"key": list(key), "positions": block.tolist()})

        def values(member: Member) -> tuple[Any, ...]:
            own = job.privates.some(block)
            return (said, words, packed_tree(own) if own else b"", shared, *self.values(member))

        def take(_: Member, answer: tuple[str, bytes]) -> None:
            assert job.adding is not None
            found[at] = unpacked_sum(job.adding, *answer)

        return Errand("add_up", values, take)


@dataclass(eq=False)
class Stage:
    """A stage at a worker.

    Attributes:
        key: of its piece.
        piece: what is done.
        pipeline: of its seed.
    """

    key: str
    piece: Piece
    pipeline: Pipeline
    _open: ExitStack = field(default_factory=ExitStack)

    def add_up(self, block: Mapping[str, Any], privates: bytes, shared: bytes) -> tuple[str, bytes]:
        """Train a block's clients, and return their sum."""
        positions, job = np.array(block["positions"], int), self._job
        if privates:
            self._privates.put(positions, unpacked_tree(privates))
        found = sum_block(job, self._trainers, unpacked_tree(shared), positions, tuple(block["key"]))
        return packed_sum(found)

    def close(self) -> None:
        """End who trains."""
        self._open.close()

    @cached_property
    def _trainers(self) -> Trainers:
        engine = self.pipeline.engine or self.pipeline.lab.engine
        return self._open.enter_context(engine.crew(self._job))

    @property
    def _job(self) -> Job:
        return self._begun[0]

    @property
    def _privates(self) -> PrivateStore:
        return self._begun[1]

    @cached_property
    def _begun(self) -> tuple[Job, PrivateStore]:
        """Build the stage as the round loop does."""
        arm, pipeline = self.piece.arms[0], self.pipeline
        *before, last = arm.federate
        trunk, method = pipeline.trunk(Arm(arm.name, arm.start, before)), last.build()
        model, params = cut_at(trunk.network, trunk.weights, method.trainable)
        _, newcomer, _ = method.init(model, params)
        everyone, rounds = members(pipeline.federation.seen_clients), method.schedule.rounds
        clients = Clients(everyone, pipeline.lab.activations, rounds=rounds)
        privates = PrivateStore(newcomer, len(clients.members))
        return job_of(method, model, params, clients, privates), privates
