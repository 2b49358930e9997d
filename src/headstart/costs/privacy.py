"""What rounds under noise promise a client: the epsilon of user-level differential privacy, known from settings alone.

What is protected is whether a client took part at all, with all its examples, from whoever sees every shared model of
a run. The number of clients counts as known. Each client takes part in a round on its own with the same probability,
and the noise on the sum has a standard deviation of ``noise_multiplier`` clip norms (McMahan, Ramage, Talwar, Zhang:
Learning Differentially Private Recurrent Language Models. ICLR 2018. https://arxiv.org/abs/1710.06963); rounds are
composed as privacy loss distributions by ``dp-accounting``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from headstart.core.plain import finite
from headstart.training.accountant import Releases, delta_for, epsilon_of


class _Federated(Protocol):
    """The part of a federated method that its privacy depends on."""

    @property
    def schedule(self) -> Any:
        """Has ``rounds``, ``noise_multiplier`` and ``cohort_of``."""
        ...


@dataclass(frozen=True)
class Privacy:
    """What an arm promises each of its clients.

    Attributes:
        epsilon: of one run; None where a federated stage has no noise, which promises nothing.
        delta: with which probability the promise may fail.
        clients: that take part.
        runs: on the same clients, that trials made to choose the arm's settings; 1 without a choice.
        all_runs: epsilon of all these runs together; None as above.
        to_server: the same where the server sees each client's update, with that client's own noise alone on it; None
            where it does not, or as above.
        own_noise: whether clients draw their noise themselves, so that no one knows all of it.
    """

    epsilon: float | None
    delta: float
    clients: int
    runs: int = 1
    all_runs: float | None = None
    to_server: float | None = None
    own_noise: bool = False

    def as_json(self) -> dict[str, float | None]:
        """Return plain values for a record."""
        return asdict(self)


def privacy_of(
    federate: Sequence[_Federated], clients: int, runs: int = 1, lost: float | None = None, *, masked: bool = False
) -> Privacy | None:
    """Return what an arm's federated stages promise together; None where none of them has noise.

    Args:
        federate: the stages, in order, all with the same clients.
        clients: that take part, those with training examples.
        runs: on the same clients, that trials made to choose the settings.
        lost: share of a cohort that may be lost where clients add their own noise; None where it is added to their sum.
        masked: whether the server sees no single update.

    Raises:
        MissingExtra: the accountant is not installed.
    """
    stages = [_rounds_of(method.schedule, clients) for method in federate]
    if not any(stage.noise for stage in stages):
        return None
    delta = delta_for(clients)
    once, often = epsilon_of(stages, delta), epsilon_of(stages * runs, delta)
    seen = [] if lost is None or masked else [_own_rounds(method.schedule, clients, lost) for method in federate]
    to_server = finite(epsilon_of(seen * runs, delta)) if seen else None
    return Privacy(finite(once), delta, clients, runs, finite(often), to_server, lost is not None)


def _rounds_of(schedule: Any, clients: int) -> Releases:
    return Releases(schedule.rounds, schedule.cohort_of(clients) / clients, schedule.noise_multiplier)


def _own_rounds(schedule: Any, clients: int, lost: float) -> Releases:
    """Return rounds as the server sees them: it knows who takes part, and each update has its own noise."""
    return Releases(schedule.rounds, 1.0, schedule.own_noise(schedule.fewest_of(clients, lost)))
