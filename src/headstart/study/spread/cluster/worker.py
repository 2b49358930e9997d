"""A worker of a cluster: it opens the study once, on cores of its own, and does one piece of it after another."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from headstart.core.arrays import Array
from headstart.core.cache import cache_folder
from headstart.core.errors import HeadstartError
from headstart.core.progress import Silent
from headstart.core.version import __version__
from headstart.study.open import open_lab
from headstart.study.run.nodes import NodeStore
from headstart.study.spread.cluster.cohorts import Stage
from headstart.study.spread.cluster.cores import Room
from headstart.study.spread.cluster.parcels import (
    Arrays,
    Parcel,
    keep,
    keep_ways,
    packed_node,
    unpacked_federation,
    ways_in,
)
from headstart.study.spread.cluster.passes import features
from headstart.study.spread.doing import do_piece
from headstart.study.spread.piece import read_piece
from headstart.study.study import Study
from headstart.study.written.load import parse_study

_OURS = re.compile(r"HEADSTART_(?!CACHE|MEMORY_GB)\w+")
"""Variables that a study file may name, such as where checkpoints lie; a machine's own are not another's."""


def versions() -> dict[str, str]:
    """Return what must be the same on every machine, for equal numbers and equal names of what is computed."""
    torch_version = str(torch.__version__).partition("+")[0]
    return {"headstart": __version__, "Python": platform.python_version(), "PyTorch": torch_version}


def opening(study: Study) -> str:
    """Say in JSON what a worker needs to open a study, but for its data."""
    variables = {name: value for name, value in os.environ.items() if _OURS.fullmatch(name)}
    settings = study.file.settings
    # Ray's processes have threads, beside which none may be cloned.
    alone = replace(settings, engine=replace(settings.engine, workers=1))
    return json.dumps({"settings": alone.as_json(), "folder": str(study.file.folder), "variables": variables})


def names_of(study: Study) -> dict[str, str]:
    """Return how a study names its data and each arm's first stages: by content, checkpoints and own code included."""
    pipeline = study.pipeline(NodeStore(Path()), study.file.settings.seeds[0], Silent())
    trunks = {arm.name: pipeline.trunk_key(arm) for arm in study.slate.arms}
    return {"data": study.lab.federation.key, **trunks}


class Worker:
    """Lives in a process of its own.

    Args:
        room: its cores, and a folder whose content goes.
    """

    def __init__(self, room: Room) -> None:
        shutil.rmtree(room.folder, ignore_errors=True)
        self._room, self._store = room, NodeStore(room.folder)
        self._study: Study | None = None
        self._stage: Stage | None = None

    def meet(self) -> dict[str, Any]:
        """Say who this is: versions, host, cores."""
        return {**versions(), "host": socket.gethostname(), "cores": list(self._room.cores)}

    def open(self, said: str, federation: Arrays) -> dict[str, Any]:
        """Open the study; return the names of its data and arms, or why it cannot be opened here."""
        told: Mapping[str, Any] = json.loads(said)
        for name, value in told["variables"].items():
            os.environ.setdefault(name, value)
        try:
            data = unpacked_federation(Arrays(*federation))
            file = parse_study(told["settings"], Path(told["folder"]), federation=data, runs_code=True)
            self._study = Study.open(file, lab=open_lab(file, data, cache=cache_folder()))
            return names_of(self._study)
        except (HeadstartError, OSError) as error:
            return {"failed": str(error)}

    def features(self, said: str, frozen: bytes) -> Array:
        """Compute some rows of a frozen pass."""
        return features(self._opened.lab, said, frozen)

    def add_up(
        self, piece: str, block: str, privates: bytes, shared: bytes, names: Sequence[str], *values: Any
    ) -> tuple[str, bytes]:
        """Train a block of a large cohort; return its sum, packed.

        Args:
            piece: the federated stage, in JSON.
            block: the round's key and the positions of its clients, in JSON.
            privates: their private trees.
            shared: what the server sends.
            names: of activations that the stage needs.
            values: these activations, and then nodes that it builds on.
        """
        self._hold(names, values)
        one = read_piece(json.loads(piece))
        if self._stage is None or self._stage.key != one.key:
            if self._stage:
                self._stage.close()
            self._stage = Stage(one.key, one, self._opened.pipeline(self._store, one.seed, Silent()))
        return self._stage.add_up(json.loads(block), privates, shared)

    def _hold(self, names: Sequence[str], values: Sequence[Any]) -> None:
        """Have activations and nodes at hand."""
        known = dict(zip(names, values, strict=False))
        self._opened.lab.activations.elsewhere = lambda key, _: known.get(key)
        for parcel in values[len(names) :]:
            keep(Parcel(*parcel), self._store)

    def do(self, piece: str, ways: str, names: Sequence[str], *values: Any) -> tuple[str, str, list[Parcel]]:
        """Do a piece; return what is said of it and the ways that were gone, in JSON, and the nodes that it left.

        Args:
            piece: in JSON.
            ways: in which jobs are done in this run, as far as they were chosen, in JSON.
            names: of activations that it needs.
            values: these activations, and then nodes that it builds on.
        """
        self._hold(names, values)
        keep_ways(json.loads(ways), self._store.folder)
        before, one = self._keys(), read_piece(json.loads(piece))
        answer = do_piece(one, self._opened.pipeline(self._store, one.seed, Silent()))
        gone = json.dumps(ways_in(self._store.folder))
        return json.dumps(answer.as_json()), gone, list(self._made(self._keys() - before))

    @property
    def _opened(self) -> Study:
        assert self._study is not None
        return self._study

    def _keys(self) -> set[str]:
        return {file.stem for file in (self._store.folder / "nodes").glob("*.json")}

    def _made(self, keys: Iterable[str]) -> Iterable[Parcel]:
        for key in sorted(keys):
            if (node := self._store.get(key)) is not None:
                yield packed_node(key, node)
