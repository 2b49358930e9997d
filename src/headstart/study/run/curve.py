"""Learning curves: what clients would receive, evaluated on their validation data while rounds go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.core.plain import finite
from headstart.data.federation import Client
from headstart.engine.adaptation import predict_received
from headstart.engine.features.activations import Activations
from headstart.engine.received import Federated, Received
from headstart.evidence.metrics import Scoring, client_metrics, nan_mean

CurvePoint = dict[str, str | int | float | None]
"""Round, stage, validation scores and bytes sent so far, as a record says them."""


def is_curve_point(done: int, rounds: int, every: int | None) -> bool:
    """Say whether a round is a point of the curve: every so many, and the last; None makes about ten.

    >>> [done for done in range(31) if is_curve_point(done, 30, None)]
    [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    """
    return done % (every or max(1, rounds // 10)) == 0 or done == rounds


@dataclass(frozen=True)
class Curve:
    """The curve of one federated stage.

    Attributes:
        clients: on whose validation data it is measured.
        activations: of their examples.
        stage: the method's name.
        bytes_before: sent before this stage.
        scoring: of the decision.
    """

    clients: Sequence[Client]
    activations: Activations
    stage: str
    bytes_before: int
    scoring: Scoring = Scoring()

    def point(self, received: Received, now: Federated) -> CurvePoint:
        """Measure what clients would receive now."""
        sent = self.bytes_before + now.traffic.total
        return {"round": now.rounds, "stage": self.stage, **self._scores(received), "bytes": sent}

    def _scores(self, received: Received) -> dict[str, float | None]:
        """Return means over clients: the decision's metric, and loss and accuracy of classes."""
        task, rows = self.activations.examples.task, [client.val for client in self.clients]
        said = {"val_score": self.scoring.metric}
        if task.kind == "classification":
            said |= {"val_loss": "log_loss", "val_accuracy": "accuracy"}
        together = np.concatenate(rows)
        if not len(together):
            return dict.fromkeys(said)
        found = predict_received(received, self.clients, self.activations, {"val": rows}).probabilities["val"]
        owner = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
        truth = self.activations.examples.truth[together]
        each = client_metrics(
            truth, np.concatenate(found), owner, len(rows), task, scoring=self.scoring, names=set(said.values())
        )
        return {name: finite(nan_mean(each[metric])) for name, metric in said.items()}
