"""What the checks share: comparing trees, variants of a method, engines that look on or break things."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.errors import SettingError
from headstart.core.machine import can_fork
from headstart.core.registry import validate
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.clients import ManyClients
from headstart.engine.protocol import Chunk, Crew, Engine, Failure, Job
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.grouped import Grouped
from headstart.models.losses import CROSS_ENTROPY, Loss
from headstart.models.model import Model
from headstart.testing.world import World
from headstart.training.local import LocalTraining

SMALL: Mapping[str, Any] = {"batch_size": 4}
LOCAL_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "partial last batches": {**SMALL},
    "momentum and weight decay": {**SMALL, "momentum": 0.9, "weight_decay": 0.01},
    "adam": {**SMALL, "optimizer": "adam", "client_lr": 0.002, "weight_decay": 0.01},
    "adamw": {**SMALL, "optimizer": "adamw", "client_lr": 0.002, "weight_decay": 0.01},
    "class-weighted loss": {**SMALL, "balance": "loss"},
    "class-balanced sampling": {**SMALL, "balance": "sampling"},
    "three local steps": {**SMALL, "local_steps": 3},
    "cosine after a warm-up": {**SMALL, "lr_schedule": "cosine", "warmup": 0.4, "momentum": 0.9},
    "smoothed labels and dropout": {**SMALL, "label_smoothing": 0.2, "dropout": 0.3},
    "single examples hidden": {**SMALL, "example_clip": 0.5, "example_noise": 1.0},
}
PIXEL_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "one change of nine": {**SMALL, "augment": "trivial"},
}
"""Ways to train on a client under which a method must behave; with the last ones where it begins at the pixels."""


FORKED = ("as given", "a cohort of four with dropout")
"""Variants that are tried in processes too, which take some time to start."""


@dataclass(frozen=True)
class Groups:
    """An engine of clients in groups.

    Attributes:
        size: clients of a group, at most.
        processes: number of processes.
    """

    size: int
    processes: int = 1

    def crew(self, job: Job) -> AbstractContextManager[Crew]:
        """Return who does the job."""
        return Grouped(job, self.size, self.processes)


def fleets(world: World, *, forks: bool) -> Iterator[Engine]:
    """Yield an engine for each way to do a job: all clients as one stack, a few at a time, in groups, in processes."""
    if not world.model.is_head_only:
        yield Groups(4, 2 if forks and can_fork() else 1)
    # A group is a stack: below the head that of all clients is tried where every way is.
    if forks or world.model.is_head_only:
        yield Fleet(way="stack")
    if forks:
        yield Fleet(way="stack", chunk_bytes=2 * 16 * world.model.network.num_features * 16)
    if forks and can_fork():
        yield Fleet(way="workers", workers=2)


def label(method: object) -> str:
    """Name a method in an error."""
    return type(method).__name__


def own_fields(method: Any) -> set[str]:
    """Return the settings that can be replaced."""
    return {f.name for f in dataclasses.fields(method)}


def check_is_frozen(method: Any) -> None:
    """Fail unless the method is a frozen dataclass: hyper-parameters cannot hide state."""
    parameters = getattr(type(method), "__dataclass_params__", None)
    frozen = parameters is not None and parameters.frozen
    assert frozen, f"{label(method)}: must be a frozen dataclass (state goes in and out of its functions)"


def quick(method: Any) -> Any:
    """Return the method with few rounds and epochs."""
    names = {"epochs", "head_epochs"} & own_fields(method)
    few: dict[str, Any] = {name: min(getattr(method, name), 2) for name in names}
    if "schedule" in own_fields(method):
        few["schedule"] = dataclasses.replace(method.schedule, rounds=min(method.schedule.rounds, 2))
    return dataclasses.replace(method, **few)


def variants(method: Any, loss: Loss = CROSS_ENTROPY, only: Container[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the method under every way to train and to sample that its settings, and the task's loss, allow.

    Args:
        method: any.
        loss: of the task.
        only: names of those that are wanted; None wants all.
    """
    yield from ((name, one) for name, one in _variants(method, loss) if only is None or name in only)


def _variants(method: Any, loss: Loss) -> Iterator[tuple[str, Any]]:
    method = quick(method)
    yield "as given", method
    if isinstance(getattr(method, "local", None), LocalTraining):
        is_at_pixels = getattr(method, "trainable", None) == "all"
        for name, change in {**LOCAL_VARIANTS, **(PIXEL_VARIANTS if is_at_pixels else {})}.items():
            if not (_allows(method.local, change) and _is_for(loss, change)):
                continue
            # A method may refuse an optimiser, or a schedule.
            with suppress(SettingError):
                yield name, dataclasses.replace(method, local=dataclasses.replace(method.local, **change))
    if "schedule" in own_fields(method):
        schedule = dataclasses.replace(method.schedule, cohort_size=4, client_dropout=0.4)
        yield "a cohort of four with dropout", dataclasses.replace(method, schedule=schedule)
        if method.reduce == "mean":
            private = dataclasses.replace(schedule, clip_norm=0.05, noise_multiplier=0.5)
            yield "clipped, with noise", dataclasses.replace(method, schedule=private)


def _is_for(loss: Loss, change: Mapping[str, Any]) -> bool:
    """Say whether settings make sense for a task."""
    return (loss.is_softmax or "label_smoothing" not in change) and (loss.by_example or "example_clip" not in change)


def _allows(local: LocalTraining, change: Mapping[str, Any]) -> bool:
    """Say whether settings are within their rules: self-supervision balances no labels."""
    rules = get_type_hints(type(local), include_extras=True)
    try:
        for name, value in change.items():
            validate(name, value, rules[name])
    except SettingError:
        return False
    return True


def assert_same(what: str, left: Mapping[str, Tensor], right: Mapping[str, Tensor], tolerance: float = 0.0) -> None:
    """Fail unless two trees have the same names, shapes and types, and equal numbers.

    Args:
        what: said in the error.
        left: a tree.
        right: another.
        tolerance: largest difference, relative to the largest number or 1.

    >>> assert_same("sum", {"w": torch.ones(2)}, {"w": torch.ones(2)})
    """
    assert left.keys() == right.keys(), f"{what}: has the names {sorted(left)} and {sorted(right)}"
    for name, value in left.items():
        other = right[name]
        assert (value.shape, value.dtype) == (other.shape, other.dtype), (
            f"{what}: '{name}' is {tuple(value.shape)} {value.dtype} and {tuple(other.shape)} {other.dtype}"
        )
        if value.numel():
            size = max(1.0, float(value.abs().max()))
            far = float((value - other).abs().max())
            assert far <= tolerance * size, f"{what}: '{name}' differs by {far:.3g}, allowed {tolerance * size:.3g}"


@dataclass
class Counting:
    """An engine that counts the bytes that cross the network."""

    engine: Engine
    download: int = 0
    upload: int = 0

    @contextmanager
    def crew(self, job: Job) -> Iterator[_CountingCrew]:
        """Yield who does the job."""
        with self.engine.crew(job) as crew:
            yield _CountingCrew(self, crew)


@dataclass(frozen=True)
class _CountingCrew:
    """A crew whose traffic is counted."""

    counts: Counting
    crew: Crew

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work; count the shared tree once per client, and what each client sends."""
        self.counts.download += trees.num_bytes(shared) * len(positions)
        for result in self.crew.map(shared, positions, key):
            if isinstance(result, Chunk):
                self.counts.upload += trees.num_bytes(result.results[0])
            yield result


@dataclass(frozen=True)
class Breaking:
    """An engine on which one client's work raises and another's gives NaN."""

    engine: Engine
    raises: str
    diverges: str
    reason: str = field(default="the disk is full", init=False)

    def crew(self, job: Job) -> AbstractContextManager[Crew]:
        """Do the work, and break it for two clients."""

        def broken(model: Model, shared: Tree, private: Tree, data: Any) -> tuple[Tree, ...]:
            if self.raises in data.ids:
                raise OSError(self.reason)
            first, *rest = job.work(model, shared, private, data)
            bad = torch.tensor([name == self.diverges for name in data.ids])
            bad = (bad if isinstance(data, ManyClients) else bad[0]).to(next(iter(first.values())).device)
            return trees.where(bad, trees.scale(first, float("nan")), first), *rest

        return self.engine.crew(dataclasses.replace(job, work=broken))
