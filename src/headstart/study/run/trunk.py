"""What the stages of an arm before its adaptation have come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.core.trees import Params
from headstart.engine.received import Exclusion, Received, Traffic
from headstart.models.network import Network
from headstart.study.written.arms import Stage


@dataclass(frozen=True)
class Trunk:
    """What the stages before adaptation have come to.

    Attributes:
        key: names the result by content.
        network: the skeleton.
        shared: what clients receive.
        curve: validation over rounds, of all federated stages so far.
        traffic: bytes of all rounds so far.
        excluded: clients left out of rounds.
        keys: of all nodes so far.
        sends_weights: whether clients must be sent the start.
        began: the start.
        halved: clients that counted half of a mean, though they held more examples.
        from_scratch: whether the network is the variant for random weights.
        last: the last federated stage, as written; None before one.
    """

    key: str
    network: Network
    shared: Received
    sends_weights: bool
    curve: tuple[Mapping[str, Any], ...] = ()
    traffic: Traffic = Traffic()
    excluded: tuple[Exclusion, ...] = ()
    keys: tuple[str, ...] = ()
    began: Received | None = None
    halved: tuple[str, ...] = ()
    from_scratch: bool = False
    last: Stage | None = None

    @property
    def weights(self) -> Params:
        """All weights that a client which is no one in particular receives."""
        return self.shared.model.weights(self.shared.common)
