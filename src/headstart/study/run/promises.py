"""What arms promise their clients: known from the settings and the number of clients, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from headstart.costs.example_privacy import example_privacy_of
from headstart.costs.privacy import privacy_of
from headstart.data.federation import Federation
from headstart.engine.rounds import members
from headstart.study.run.tuning import covered, num_runs
from headstart.study.written.arms import Arm

Promise = dict[str, Any]
"""What :class:`headstart.costs.privacy.Privacy` says, or :class:`headstart.costs.example_privacy.ExamplePrivacy`, as
plain values; of an arm with both, the second stands in the first as ``examples_too``."""


def promised(
    arm: Arm, federation: Federation, runs: int, lost: float | None = None, *, masked: bool = False
) -> Promise | None:
    """Say what an arm promises each of its clients, or each of their examples; None where it has no noise.

    Args:
        arm: as run, or to be run.
        federation: whose clients take part.
        runs: on the same clients, that the choice of its settings rests on.
        lost: share of the clients that may be lost, where they add their own noise; None in a simulation.
        masked: whether the server sees no single update.
    """
    stages, clients = [stage.build() for stage in arm.federate], len(members(federation.seen_clients))
    found = privacy_of(stages, clients, runs, lost, masked=masked)
    sizes = [len(client.train) for client in federation.clients]
    each = example_privacy_of(stages, arm.adapt.build(), sizes, runs, own_noise=lost is not None)
    if found and each:
        return {**found.as_json(), "examples_too": each.as_json()}
    either = found or each
    return either.as_json() if either else None


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
    most = [(covered(arm), max(num_runs(arm, trials, seed, seeds) for seed in seeds)) for arm in arms]
    found = {arm.name: promised(arm, federation, runs) for arm, runs in most}
    return {name: promise for name, promise in found.items() if promise}
