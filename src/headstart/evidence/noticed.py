"""What is to be noticed of arms over all their seeds, and beside each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headstart.evidence.learnt import Finding

_NOT_CHECKED = "not checked whether it learnt anything: its records are older than the check"


_MISSED = 0.6
"""Share of a simple head's gain over the majority class that an arm must miss to lie far below it."""


@dataclass(frozen=True)
class Noticed:
    """What a verdict says beside its numbers.

    Attributes:
        failed: arms whose training failed, with the reason; nothing is compared with them.
        warnings: by arm, clauses for people.
        kept: by arm, how many clients kept their adaptation.
        privacy: by arm with noise, what it promises its clients.
        unlearnt: arms that are in no seed clearly above the majority class on validation data.
    """

    failed: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    privacy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unlearnt: Collection[str] = ()


class Standing(NamedTuple):
    """Where an arm stands on validation data.

    Attributes:
        accuracy: over all seen clients' examples, mean over seeds.
        rows: these examples, of one seed.
        start: names its start.
        pooled: whether it learnt from all clients' examples in one place.
        federated: whether clients learnt together.
        shared: whether all clients use the same weights.
        trains: whether anything after the start changes weights.
    """

    accuracy: float
    rows: int
    start: str
    pooled: bool
    federated: bool
    shared: bool
    trains: bool


class Heads(NamedTuple):
    """What the diagnosis' own heads reach on validation data: of all clients together, alone; the majority's share."""

    pooled: float
    local: float
    majority: float


def over_seeds(seeds: Mapping[int, Sequence[Finding] | None]) -> tuple[str | None, list[str]]:
    """Return why an arm failed, if it did in half of its seeds or more, and its warnings.

    Args:
        seeds: findings by seed; None where nothing was checked.

    >>> over_seeds({0: [Finding("diverged", "training failed: it diverged", True)], 1: []})
    ('training failed: it diverged (in 1 of 2 seeds)', [])
    """
    checked = {seed: found for seed, found in seeds.items() if found is not None}
    failed = {seed: one.words for seed, found in checked.items() for one in found if one.failed}
    if failed and 2 * len(failed) >= len(checked):
        # What else is odd follows from that.
        return _with_count(next(iter(failed.values())), len(failed), len(checked)), []
    old = [] if len(checked) == len(seeds) else [_NOT_CHECKED]
    return None, [*old, *(f"seed {seed}: {words}" for seed, words in failed.items()), *_by_kind(checked)]


def beside_each_other(arms: Mapping[str, Standing], heads: Heads | None) -> dict[str, list[str]]:
    """Return warnings that need other arms or the diagnosis to be seen.

    Args:
        arms: those that have not failed.
        heads: of the diagnosis; None without.
    """
    found = {name: [*_below_federated(arms, name), *_below_head(arms[name], heads)] for name in arms}
    return {name: words for name, words in found.items() if words}


def _by_kind(checked: Mapping[int, Sequence[Finding]]) -> list[str]:
    """Return each kind of warning once, in the words of its first seed."""
    kinds: dict[str, list[str]] = {}
    for found in checked.values():
        for one in found:
            if not one.failed:
                kinds.setdefault(one.kind, []).append(one.words)
    return [_with_count(words[0], len(words), len(checked)) for words in kinds.values()]


def _with_count(words: str, count: int, seeds: int) -> str:
    return words if count == seeds else f"{words} (in {count} of {seeds} seeds)"


def _below_federated(arms: Mapping[str, Standing], name: str) -> Iterator[str]:
    """Say of a reference which federated arm from the same start does better, though it sees less."""
    own = arms[name]
    rivals = [
        (other.accuracy, rival)
        for rival, other in arms.items()
        if own.pooled and other.federated and other.shared and not other.pooled and other.start == own.start
    ]
    best, rival = max(rivals, default=(own.accuracy, ""))
    if best - own.accuracy > max(0.03, 3 * _doubt(best, own.rows)):
        yield (
            f"on validation data the reference is below {rival}, which sees less ({own.accuracy:.3f} against "
            f"{best:.3f}): its step size or number of epochs does not suit, and it bounds nothing"
        )


def _below_head(own: Standing, heads: Heads | None) -> Iterator[str]:
    """Say where an arm gets little of what a simple head gains over the majority class."""
    if heads is None or not own.trains:
        return
    head = heads.pooled if own.federated or own.pooled else heads.local
    gap = head - own.accuracy
    if gap > max(0.1, _MISSED * (head - heads.majority), 3 * _doubt(head, own.rows)):
        yield (
            f"on validation data far below the diagnosis' own head ({own.accuracy:.3f} against {head:.3f}): "
            f"the inputs' scale, the step size or the number of steps may not suit"
        )


def _doubt(share: float, rows: int) -> float:
    """Return the standard error of the difference of two shares of so many examples."""
    share = min(max(share, 0.05), 0.95)
    return math.sqrt(2 * share * (1 - share) / max(1, rows))
