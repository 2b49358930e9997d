"""A cluster's workers as hands for a study: pieces go out, finished nodes come back into the run folder.

No worker writes where another reads, so no file system need be shared. What a piece builds on goes with it, handed to
the cluster once, however many pieces want it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

from headstart.core.errors import SettingError
from headstart.core.progress import Progress, Silent
from headstart.study.run.nodes import NodeStore
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.spread.answer import read_answer
from headstart.study.spread.board import Board
from headstart.study.spread.cluster.cohorts import Cohorts, is_large
from headstart.study.spread.cluster.crew import Crew, Errand, Member
from headstart.study.spread.cluster.link import Link
from headstart.study.spread.cluster.over_ray import joined
from headstart.study.spread.cluster.parcels import Parcel, keep, keep_ways, packed_federation, packed_node, ways_in
from headstart.study.spread.cluster.passes import Passes
from headstart.study.spread.cluster.worker import names_of, opening, versions
from headstart.study.spread.doing import do_piece
from headstart.study.spread.piece import Piece
from headstart.study.study import Study

Joined = Callable[[], AbstractContextManager[Link]]
"""Joins a cluster, for as long as it is wanted."""


@dataclass(eq=False)
class Cluster:
    """Workers of a cluster that have opened a study.

    Attributes:
        study: as it goes on in its run folder.
        store: of the run folder.
        joined: joins the cluster.
        progress: told of workers that come and go.
    """

    study: Study
    store: NodeStore
    joined: Joined
    progress: Progress
    _stack: ExitStack = field(default_factory=ExitStack, init=False)
    _given: dict[str, Any] = field(default_factory=dict, init=False)

    @property
    def count(self) -> int:
        """How many pieces are done at once."""
        return self._crew.count

    def __enter__(self) -> Self:
        """Join the cluster, and let its workers open the study.

        Raises:
            SettingError: it cannot be joined, or a machine has other versions, or cannot open the study.
            EngineError: no worker came.
        """
        _check_own(self.study)
        self.progress.tell("joining the cluster")
        with self._stack:
            self._link = self._stack.enter_context(self.joined())
            self._crew = Crew(self._link, self._steps(), self._cores, self._on_card, self.progress.warn)
            self.progress.tell("workers open the study")
            self._crew.gather()
            self._passes = Passes(self.study.lab, self._crew, self.progress)
            self._stack = self._stack.pop_all()
        self.progress.warn(
            f"cluster: {_counted(self._crew.count, 'worker')} on {_counted(self._crew.machines, 'machine')}"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers, and leave the cluster."""
        with self._stack:
            self._passes.close()
            self._crew.dismiss_all()

    def go_on(self, board: Board) -> None:
        """Let free workers begin what is next, and wait until a piece ends."""
        self._crew.hire()
        self._crew.give(lambda: self._next(board))
        self._crew.wait()

    def _next(self, board: Board) -> Errand | None:
        """Return what the next worker does; a stage of large cohorts is done at once, by all of them."""
        while piece := board.next():
            if not is_large(piece, self.study.lab):
                return self._errand(board, piece)
            pipeline, values = self.study.pipeline(self.store, piece.seed, self.progress), self._values(piece)
            board.end(piece, do_piece(piece, Cohorts(self._crew, piece, values).engine_of(pipeline)))
        return None

    @property
    def _cores(self) -> int:
        """Cores of a worker: one, where the study does not ask for more threads."""
        return self.study.file.settings.engine.threads or 1

    @property
    def _on_card(self) -> bool:
        return self.study.lab.activations.labels.device.type != "cpu"

    def _steps(self) -> list[Errand]:
        """Return what a worker does when it comes."""
        said = opening(self.study)
        federation = self._link.put(packed_federation(self.study.lab.federation))
        names = names_of(self.study)
        return [
            Errand("meet", lambda _: (), lambda member, answer: _check_versions(member, answer)),
            Errand("open", lambda _: (said, federation), lambda member, answer: _check_names(member, answer, names)),
        ]

    def _errand(self, board: Board, piece: Piece) -> Errand:
        said, needed = json.dumps(piece.as_json()), self._values(piece)

        def take(member: Member, answer: tuple[str, str, list[Parcel]]) -> None:
            words, ways, parcels = answer
            keep_ways(json.loads(ways), self.store.folder)
            for parcel in parcels:
                keep(Parcel(*parcel), self.store)
                member.has.add(parcel[0])
            board.end(piece, read_answer(json.loads(words)))

        def values(member: Member) -> tuple[Any, ...]:
            ways = json.dumps(ways_in(self.store.folder))
            return (said, ways, *needed(member))

        return Errand("do", values, take, lambda: board.again(piece))

    def _values(self, piece: Piece) -> Callable[[Member], tuple[Any, ...]]:
        """Return what gives a worker the activations and nodes that a piece builds on: their names, and references."""
        keys = self._keys(piece)
        known = self._passes.of_piece(piece, self.study.pipeline(self.store, piece.seed, Silent()))
        return lambda member: (list(known), *known.values(), *self._parcels(keys, member))

    def _parcels(self, keys: Iterable[str], member: Member) -> Iterator[Any]:
        """Yield references of the nodes that a piece builds on, as far as they are there and the worker lacks them."""
        for key in keys:
            if key not in member.has and (reference := self._reference(key)) is not None:
                member.has.add(key)
                yield reference

    def _reference(self, key: str) -> Any:
        if key not in self._given and (node := self.store.get(key)) is not None:
            self._given[key] = self._link.put(packed_node(key, node))
        return self._given.get(key)

    def _keys(self, piece: Piece) -> dict[str, None]:
        """Return the names of all nodes on a piece's way."""
        pipeline, found = self.study.pipeline(self.store, piece.seed, Silent()), dict.fromkeys(piece.needs)
        for arm in piece.arms:
            key = pipeline.start_key(arm.start)
            # A start that any study has computed is no reason to compute it again on every machine.
            if not self.store.has(key):
                self.store.copy(key, self.study.lab.starts)
            found[key] = None
            for stage in arm.federate:
                found[key := pipeline.federate_key(key, stage)] = None
            found[pipeline.leaf_key(key, arm.adapt, piece.views or TRIAL_VIEWS)] = None
        return found


def on_cluster(study: Study, store: NodeStore, address: str, progress: Progress) -> Cluster:
    """Return the workers of a Ray cluster.

    Args:
        study: as it goes on in its run folder.
        store: of the run folder.
        address: ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``, see :func:`over_ray.joined`.
        progress: told of workers that come and go.
    """
    return Cluster(study, store, partial(joined, address), progress)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _check_own(study: Study) -> None:
    """Refuse a network that is an object of this process."""
    own = study.file.own
    if own is not None and ":" not in study.file.settings.model.backbone:
        raise SettingError(
            f"cluster: every machine must be able to make the network, received '{own.name}', an object of this "
            "process; name it in a study file: backbone = 'package.module:build'"
        )


def _check_versions(member: Member, found: dict[str, Any]) -> None:
    wanted = versions()
    if other := [name for name, value in wanted.items() if found.get(name) != value]:
        theirs = ", ".join(f"{name} {found.get(name, 'unknown')}" for name in other)
        ours = ", ".join(f"{name} {wanted[name]}" for name in other)
        raise SettingError(
            f"cluster: every machine must have the same versions, received {theirs} on '{member.machine.host}' and "
            f"{ours} here; install the same"
        )


def _check_names(member: Member, found: dict[str, Any], wanted: dict[str, str]) -> None:
    if why := found.get("failed"):
        raise SettingError(
            f"cluster: '{member.machine.host}' cannot open the study: {why} (the examples go there by themselves; "
            "checkpoints and code of your own must be on every machine, at the same path)"
        )
    if other := [name for name, value in wanted.items() if found.get(name) != value]:
        raise SettingError(
            f"cluster: '{member.machine.host}' has other checkpoints or code than this machine, by '{other[0]}'; "
            "copy the same files there"
        )
