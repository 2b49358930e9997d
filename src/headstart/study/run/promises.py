"""What arms promise their clients: known from the settings and the number of clients, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headstart.costs.privacy import privacy_of
from headstart.data.federation import Federation
from headstart.engine.rounds import members
from headstart.study.run.tuning import num_runs
from headstart.study.written.arms import Arm

Promise = dict[str, float | None]
"""What :class:`headstart.costs.privacy.Privacy` says, as plain values."""


def promised(
    arm: Arm, federation: Federation, runs: int, lost: float | None = None, *, masked: bool = False
) -> Promise | None:
    """Say what an arm promises each of its clients; None where no federated stage has noise.

    Args:
        arm: as run, or to be run.
        federation: whose clients take part.
        runs: on the same clients, that the choice of its settings rests on.
        lost: share of the clients that may be lost, where they add their own noise; None in a simulation.
        masked: whether the server sees no single update.
    """
    stages, clients = [stage.build() for stage in arm.federate], len(members(federation.seen_clients))
    found = privacy_of(stages, clients, runs, lost, masked=masked)
    return found.as_json() if found else None


def foretold_privacy(
    arms: Iterable[Arm], federation: Federation, trials: int, seeds: Sequence[int]
) -> dict[str, Promise]:
    """Say what those arms of a study promise that have noise, for the seed that promises least.

    Args:
        arms: of the study.
        federation: whose clients take part.
        trials: configurations that each arm is given.
        seeds: of the study.
    """
    most = [(arm, max(num_runs(arm, trials, seed, seeds) for seed in seeds)) for arm in arms]
    found = {arm.name: promised(arm, federation, runs) for arm, runs in most}
    return {name: promise for name, promise in found.items() if promise}
