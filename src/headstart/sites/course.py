"""How a federated stage over sites goes: what a round asks, what is scored on the way, what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.engine.received import Federated
from headstart.federate.protocol import Federate
from headstart.sites.messages import Adapt, Method, Setup, Stage, Update
from headstart.sites.said import Done
from headstart.sites.server import Server
from headstart.sites.transport import Answer
from headstart.study.run.curve import CurvePoint, is_curve_point
from headstart.study.run.facts import pack
from headstart.study.run.nodes import NodeStore
from headstart.study.written.arms import Stage as Written
from headstart.study.written.schema import Metric

if TYPE_CHECKING:
    from headstart.study.run.pipeline import Pipeline

_SCORES = ("log_loss", "accuracy")


@dataclass(eq=False)
class StageCourse:
    """One stage of one seed.

    Attributes:
        server: whose sites work.
        pipeline: of the seed.
        setup: with the model that the sites hold.
        stage: as sites know it.
        method: the stage's, built.
        bytes_before: sent before it.
        fewest: answers that a round takes at least.
        points: of the learning curve so far: means over the sites that took part in a round and may tell.
    """

    server: Server
    pipeline: Pipeline
    setup: Setup
    stage: Stage
    method: Federate
    bytes_before: int
    fewest: int = 1
    points: list[CurvePoint] = field(default_factory=list)
    _sent: dict[int, int] = field(default_factory=dict)
    _heard: dict[int, dict[str, float | None]] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """How many in all."""
        return self.method.schedule.rounds

    def request(self, number: int) -> Update:
        """Say what the sites of a round are asked."""
        asks = self.server.asks
        return Update(
            self.setup,
            self.stage,
            number,
            scored=is_curve_point(number, self.rounds, self.pipeline.eval_every),
            noise=asks.noise if self.method.reduce == "sum" else 0.0,
            bound=asks.bound,
            fewest=self.fewest,
        )

    def hear(self, number: int, said: Sequence[Done]) -> None:
        """Take the scores of the tree with which a round began."""
        self._heard[number] = _mean(one.val for one in said)

    def keeps(self, store: NodeStore) -> Callable[[Federated], None]:
        """Return what keeps the last round, so that a server that was killed goes on from it."""
        begin, key = time.monotonic(), self.stage.key

        def keep(now: Federated) -> None:
            self.server.check_lost(one for one in now.excluded if one.round == now.rounds - 1)
            seconds = time.monotonic() - begin
            words = f"federate {self.stage.method.name}, round {now.rounds} of {self.rounds}, {seconds:.1f} s so far"
            self.pipeline.tell(words)
            self._sent[now.rounds] = self.bytes_before + now.traffic.total
            self._mark(now.rounds - 1)
            # Private trees stay at their sites.
            facts, tree = pack(replace(now, privates={}))
            store.put(key, {**facts, "points": self.points}, tree)
            store.prune({key})

        return keep

    def finish(self, last: Federated) -> None:
        """Ask how good the last tree is: no round follows whose updates would say it."""
        keep = Method.of(Written("adapt", "keep"))
        asked = Adapt(
            setup=self.setup,
            method=keep,
            metric=cast("Metric", self.pipeline.metric),
            positive=self.pipeline.positive,
            specificity=self.pipeline.specificity,
            views=("val",),
            stage=self.stage,
            rounds=last.rounds,
            began="",
            run=self.stage.key,
        )
        with self.server.ask.noting("scores", stage=self.stage.key, method=self.stage.method.name):
            sent = self.server.send(asked, last.shared)
        came = [one.said for one in sent if isinstance(one, Answer)]
        found = [one.metrics.get("val", {}) for one in came]
        self._heard[last.rounds] = _mean({name: one[name][0] for name in _SCORES if name in one} for one in found)
        self._mark(last.rounds)

    def _mark(self, rounds: int) -> None:
        """Add a point of the curve, if it was scored."""
        scores = self._heard.pop(rounds, None)
        if scores is None or not is_curve_point(rounds, self.rounds, self.pipeline.eval_every):
            return
        said = {"val_loss": scores["log_loss"], "val_accuracy": scores["accuracy"]}
        self.points.append({"round": rounds, "stage": self.stage.method.name, **said, "bytes": self._sent[rounds]})


def _mean(told: Iterable[Mapping[Any, float | None]]) -> dict[str, float | None]:
    """Return the mean of each score over those who tell it."""
    each = list(told)
    values = {name: [value for one in each if (value := one.get(name)) is not None] for name in _SCORES}
    return {name: float(np.mean(found)) if found else None for name, found in values.items()}
