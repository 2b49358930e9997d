"""What noise on single examples promises: which steps an arm takes on a client's examples, and their epsilon.

What is protected is a single example of a client, from whoever sees all that the client's training leads to: its
updates, the shared models, the model that it adapts. How many examples a client has counts as known. Steps are seen by
letting a method work on a client of two examples, so that a method that looks at examples in another way is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from headstart.adapt.protocol import remembers
from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.plain import finite
from headstart.core.trees import Params
from headstart.models.batch import Batch, NoisyStep
from headstart.models.model import Model, cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec
from headstart.training.accountant import Releases, delta_for, epsilon_of
from headstart.training.client_data import Passes
from headstart.training.example_noise import ExampleNoise, releases_of

_MOST_SIZES = 3
"""Sizes of clients whose epsilon is computed: those that are promised least, as a first guess has it."""


@dataclass(frozen=True)
class _Phase:
    """Steps on a client's examples.

    Attributes:
        passes: how many, and under which noise.
        rounds: times that they are made.
        draws: noisy gradients on each batch.
    """

    passes: Passes
    rounds: int
    draws: int

    @property
    def noise(self) -> ExampleNoise:
        """On single examples; none, where there is none."""
        return self.passes.noise or ExampleNoise(clip=1.0)

    def releases(self, size: int) -> Releases:
        """Return what a client with so many examples releases."""
        steps, batch = self.rounds * self.passes.num_steps(size), self.passes.batch_size
        return releases_of(self.noise.of(size, batch), size, batch, steps, self.draws)


@dataclass(frozen=True)
class ExamplePrivacy:
    """What an arm promises each example of each of its clients.

    Attributes:
        epsilon: of one run, for the client that is promised least; None where some stage reads examples without noise,
            which promises nothing.
        delta: with which probability the promise may fail.
        clients: that have examples.
        examples: of the client that is promised least.
        runs: on the same examples, that trials made to choose the arm's settings; 1 without a choice.
        all_runs: epsilon of all these runs together; None as above.
        own_noise: whether clients draw their noise themselves, so that no one else knows it.
        of: what is promised of.
    """

    epsilon: float | None
    delta: float
    clients: int
    examples: int
    runs: int = 1
    all_runs: float | None = None
    own_noise: bool = False
    of: str = "examples"

    def as_json(self) -> dict[str, float | None]:
        """Return plain values for a record."""
        return asdict(self)


@dataclass
class _Watched:
    """A client of two examples that notes how it is worked with.

    Attributes:
        rounds: that the work stands for.
        phases: its steps so far.
        is_read: whether examples were looked at in another way, or without a clip.
    """

    rounds: int
    phases: list[_Phase] = field(default_factory=list)
    is_read: bool = False

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield one batch, and note how often noise is drawn for it."""
        draws = 0

        def noise(tree: Params) -> Params:
            nonlocal draws
            draws += 1
            return trees.zeros_like(tree)

        step = NoisyStep(1.0, torch.tensor(2), torch.tensor(True), noise)
        yield _two(model, step if passes.noise else None)
        self.phases.append(_Phase(passes, self.rounds, max(1, draws)))

    def everything(self, model: Model) -> Batch:
        """Return all examples, and note it."""
        self.is_read = True
        return _two(model)

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        """Return nothing."""


def _two(model: Model, step: NoisyStep | None = None) -> Batch:
    raw = torch.zeros(2, 4)
    labels = model.network.loss.any_truth(2, model.network.num_classes)
    return Batch(model.activations(raw), labels, torch.ones(2), full=True, noisy=step)


def phases_of(federate: Sequence[Any], adapt: Any) -> list[_Phase] | None:
    """Return what an arm's stages do with a client's examples, in order; None where they look at them without noise.

    Args:
        federate: the federated stages.
        adapt: the client-side stage.
    """
    watched = _watched(federate, adapt)
    phases = [phase for one in watched for phase in one.phases]
    is_bare = any(one.is_read for one in watched) or any(not phase.passes.noise for phase in phases)
    return None if is_bare else phases


def _watched(federate: Sequence[Any], adapt: Any) -> list[_Watched]:
    found = [_watch(method.schedule.rounds, method, _federated(method)) for method in federate]
    return found if adapt.changes_nothing else [*found, _watch(1, adapt, _adapted(adapt))]


def _federated(method: Any) -> Callable[[Model, Params, Any], Any]:
    def work(model: Model, params: Params, data: Any) -> Any:
        shared, private, _ = method.init(model, params)
        return method.client_update(model, shared, private, data)

    return work


def _adapted(method: Any) -> Callable[[Model, Params, Any], Any]:
    def work(model: Model, params: Params, data: Any) -> Any:
        if remembers(method):
            method.memory(model, data)
        return method(model, params, data)

    return work


def _watch(rounds: int, method: Any, work: Callable[[Model, Params, Any], Any]) -> _Watched:
    """Let a method work once, on a network that is as deep as it asks for."""
    depth = method.trainable if isinstance(method.trainable, int) else 2
    network, weights = build(
        ModelSpec(backbone="mlp", hidden=(2,) * depth), shape=(4,), num_classes=2, from_scratch=True, seed=0
    )
    watched = _Watched(rounds)
    work(*cut_at(network, weights, method.trainable), watched)
    return watched


def hides_examples(*methods: Any) -> bool:
    """Say whether any of some stages puts noise on single examples."""
    noises = [getattr(getattr(method, "local", None), "noise", None) for method in methods]
    return any(noise.multiplier or noise.epsilon for noise in noises if noise)


def example_privacy_of(
    federate: Sequence[Any], adapt: Any, sizes: Sequence[int], runs: int = 1, *, own_noise: bool = False
) -> ExamplePrivacy | None:
    """Return what an arm promises each example; None where none of its stages hides any.

    A client counts as if it took part in every round.

    Args:
        federate: the federated stages.
        adapt: the client-side stage.
        sizes: training examples of each client.
        runs: on the same examples, that trials made to choose the settings.
        own_noise: whether clients draw their noise themselves.

    Raises:
        MissingExtra: the accountant is not installed.
    """
    sizes = [size for size in sizes if size]
    if not sizes or not hides_examples(*federate, adapt):
        return None
    deltas = {size: _delta(size, federate, adapt) for size in {*sizes}}
    phases = None if any(method.pooled for method in federate) else phases_of(federate, adapt)
    if phases is None:
        return ExamplePrivacy(None, max(deltas.values()), len(sizes), min(sizes), runs, None, own_noise)
    found = {size: [phase.releases(size) for phase in phases] for size in deltas}
    least = sorted(deltas, key=lambda size: _loss(found[size]), reverse=True)[:_MOST_SIZES]
    once, worst = max((epsilon_of(found[size], deltas[size]), size) for size in least)
    often = max(epsilon_of(found[size] * runs, deltas[size]) for size in least)
    return ExamplePrivacy(finite(once), deltas[worst], len(sizes), worst, runs, finite(often), own_noise)


def covered_epochs(federate: Sequence[Any], adapt: Any) -> int | None:
    """Return for how many passes an arm's epsilon must be enough; None where no stage asks for one.

    Raises:
        SettingError: stages ask for different ones, or their steps are not of one kind.
    """
    locals_ = [one.local for one in (*federate, adapt) if getattr(getattr(one, "local", None), "epsilon", None)]
    if not locals_:
        return None
    for name in ("epsilon", "delta", "batch_size"):
        if len(values := {getattr(local, name) for local in locals_}) > 1:
            raise SettingError(
                f"{name}: must be the same in all stages of an arm with an epsilon, received "
                f"{' and '.join(sorted(map(str, values)))}; write it once, or give example_noise instead of epsilon"
            )
    phases = [phase for one in _watched(federate, adapt) for phase in one.phases if phase.passes.noise]
    if any(phase.draws > 1 for phase in phases):
        raise SettingError(
            f"epsilon: must be left out with a method of several gradients on one batch, received "
            f"{locals_[0].epsilon:g}; give example_noise instead"
        )
    return sum(phase.rounds * phase.passes.epochs for phase in phases) or None


def _delta(size: int, federate: Sequence[Any], adapt: Any) -> float:
    """Return the delta of a client with so many examples: the largest that a stage asks for."""
    noises = [local.noise for one in (*federate, adapt) if (local := getattr(one, "local", None)) and local.noise]
    return max((noise.delta or delta_for(size) for noise in noises), default=delta_for(size))


def _loss(releases: Sequence[Releases]) -> float:
    """Return about how much is lost, by the central limit: enough to tell who loses most."""
    return sum(
        one.times * one.share**2 * math.expm1(min(one.noise**-2, 700.0)) if one.noise else math.inf for one in releases
    )
