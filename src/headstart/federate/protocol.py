"""What a federated method says; everything else (cohorts, weighting, batch order, failures) is the engine's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol, TypeGuard

from pydantic import Field, FiniteFloat, PositiveInt

from headstart.core.errors import SettingError
from headstart.training import ClientData, InputKind, Model, Params, TaskKind, Trainable, Tree

Reduction = Literal["mean", "sum", "each"]
"""How client updates become one: mean weighted by numbers of examples (of three clients or more none weighs more than
the others together), or plain sum; ``each``: they don't, the server sees each of them."""


Aggregate = Literal["mean", "trimmed_mean", "median", "krum"]
"""How an averaging server combines updates."""


class Begin(NamedTuple):
    """Where a method begins.

    Attributes:
        shared: what the server sends to every client of a cohort, every round.
        private: what each client keeps to itself; the same for all at first. Empty for most methods.
        state: what the server keeps to itself, such as an optimiser's moments.
    """

    shared: Tree
    private: Tree
    state: Tree


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Who takes part in how many rounds.

    Attributes:
        rounds: exchanges between the server and a cohort.
        cohort_size: number of clients sampled each round, without replacement; None for all.
        client_dropout: probability that a sampled client does not answer.
        aggregate: how updates become one: their mean weighted by examples, or a robust statistic of equal weights.
        bad_share: share of clients that ``trimmed_mean`` and ``krum`` may take for faulty, in [0, 0.5).
        clip_norm: L2 norm, over the whole shared tree, to which an update is shortened; updates then weigh the same.
            None leaves them as they are.
        noise_multiplier: standard deviation of the noise on a round's sum of clipped updates, in ``clip_norm``; above
            0 each client takes part with probability ``cohort_size / clients``, on its own, and the sum is divided by
            ``cohort_size`` whoever answers.

    Raises:
        SettingError: a robust aggregate of clipped updates, or noise on updates that may be of any length.
    """

    rounds: PositiveInt = 20
    cohort_size: PositiveInt | None = None
    client_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    aggregate: Aggregate = "mean"
    bad_share: Annotated[float, Field(ge=0, lt=0.5)] = 0.2
    clip_norm: Annotated[FiniteFloat, Field(gt=0)] | None = None
    noise_multiplier: Annotated[FiniteFloat, Field(ge=0)] = 0.0

    def __post_init__(self) -> None:
        """Refuse noise without a clip, and a clip of what is no mean."""
        if self.noise_multiplier and self.clip_norm is None:
            raise SettingError(
                f"noise_multiplier: needs clip_norm, of which it is a multiple, received {self.noise_multiplier:g} "
                "without; add clip_norm, or leave noise_multiplier out"
            )
        if self.clip_norm is not None and self.aggregate != "mean":
            raise SettingError(
                f"clip_norm: needs aggregate = 'mean', received {self.clip_norm:g} with '{self.aggregate}', which no "
                "single client can pull far anyway; leave one of them out"
            )

    def cohort_of(self, population: int) -> int:
        """Return how many of so many clients are sampled each round.

        >>> Schedule(cohort_size=20).cohort_of(50), Schedule(cohort_size=20).cohort_of(8), Schedule().cohort_of(8)
        (20, 8, 8)
        """
        return min(self.cohort_size or population, population)

    def fewest_of(self, population: int, lost: float) -> int:
        """Return how many clients answer a round at least, where this share of its cohort may be lost.

        >>> Schedule().fewest_of(5, 0.5), Schedule().fewest_of(5, 1.0)
        (3, 1)
        """
        cohort = self.cohort_of(population)
        return max(1, cohort - math.floor(lost * cohort))

    def own_noise(self, fewest: int) -> float:
        """Return the noise that each client adds itself, in clip norms, so that this many have all of a round's."""
        return self.noise_multiplier / math.sqrt(fewest)


class Federate(Protocol):
    """A federated method: a frozen dataclass of hyper-parameters with four pure functions.

    Every function takes and returns trees and changes none of its arguments. ``client_update`` also works on a stack
    of clients (see ``core.trees``) when only a head trains: it follows from using tree arithmetic and the model's own
    functions, and the conformance suite checks it.

    Attributes:
        schedule: rounds and cohorts.
        trainable: where the model is cut.
        reduce: how updates are combined.
        pooled: True for a reference that sees all clients' training data as one client's.
        personal: False where all are evaluated with the same model, whatever clients keep to themselves.
        not_for: tasks for which it makes no sense, each with the reason.
        reads: what examples must be; None for anything.
        fits_head: whether it learns what examples are; if not, it prepares a body for a stage that does.
    """

    reduce: ClassVar[Reduction] = "mean"
    pooled: ClassVar[bool] = False
    personal: ClassVar[bool] = True
    not_for: ClassVar[Mapping[TaskKind, str]] = {}
    reads: ClassVar[InputKind | None] = None
    fits_head: ClassVar[bool] = True

    @property
    def schedule(self) -> Schedule:
        """Rounds and cohorts."""
        ...

    @property
    def trainable(self) -> Trainable:
        """Where the model is cut."""
        ...

    def init(self, model: Model, params: Params) -> Begin:
        """Return the first shared, private and server state from the starting parameters."""
        ...

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Return what the client sends (for averaging methods ``local - shared``) and its new private state."""
        ...

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Return the new shared and server state from the combined update of a cohort.

        Args:
            model: cut as the method says.
            shared: what was sent to the cohort.
            state: what the server kept.
            update: the mean or the sum of what clients sent, or all of it, stacked in the order of their names.
            share: of all clients, those whose updates these are, in (0, 1].
        """
        ...

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Return the trainable parameters that this client is evaluated with."""
        ...


class KeepsOwn(Federate, Protocol):
    """A federated method whose clients keep a model of their own beside the shared one."""

    def own_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Return the trainable parameters of the client's own model; the shared ones, if it has none yet."""
        ...


def keeps_own(method: Federate) -> TypeGuard[KeepsOwn]:
    """Say whether clients keep a model of their own."""
    return hasattr(method, "own_params")


class Settles(Federate, Protocol):
    """A federated method whose clients choose by their own training data what they make of the last shared tree."""

    def settle(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> Tree:
        """Return a client's private tree after the last round; a client that never took part has its newcomer's.

        Works on one client and, for heads, on a stack.
        """
        ...


def settles(method: Federate) -> TypeGuard[Settles]:
    """Say whether clients of a method choose once more after its last round.

    >>> from headstart.federate import FedAvg, Ifca
    >>> settles(FedAvg()), settles(Ifca())
    (False, True)
    """
    return hasattr(method, "settle")
