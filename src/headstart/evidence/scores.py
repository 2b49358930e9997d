"""Scores: one number per arm, seed and client, and what they add up to."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.evidence.metrics import Measure, low_quantile, measure, nan_mean, nan_means

COLUMNS = ("arm", "seed", "client", "seen", "split", "metric", "value")
"""Columns of ``clients.parquet``, one row per score, in order."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Scores:
    """One metric of every arm, seed and client.

    Attributes:
        arms: names, unique.
        seeds: the study's seeds, unique.
        clients: ids, unique.
        seen: False for a held-out client ``(clients,)`` bool.
        values: ``(arms, seeds, clients)`` float64, NaN where missing.

    Raises:
        DataError: shapes disagree, or a name comes twice.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    clients: tuple[str, ...]
    seen: Array
    values: Array

    def __post_init__(self) -> None:
        expected = (len(self.arms), len(self.seeds), len(self.clients))
        if self.values.shape != expected or self.seen.shape != expected[2:]:
            raise DataError(
                f"scores: values must be (arms, seeds, clients) = {expected} and seen {expected[2:]}, got "
                f"{self.values.shape} and {self.seen.shape}; build them with from_rows"
            )
        for axis in (self.arms, self.seeds, self.clients):
            if len(set(axis)) != len(axis):
                raise DataError(f"scores: names must be unique, got {list(axis)}; rename or merge the doubled one")

    def of(self, arm: str) -> Array:
        """Return one arm's values ``(seeds, clients)``.

        Raises:
            DataError: there is no such arm.
        """
        if arm not in self.arms:
            raise DataError(f"scores: no arm '{arm}'; {nearest(arm, self.arms)}")
        values: Array = self.values[self.arms.index(arm)]
        return values

    def select(self, keep: Array) -> Scores:
        """Keep the clients where ``keep`` ``(clients,)`` bool is true."""
        clients = tuple(name for name, kept in zip(self.clients, keep, strict=True) if kept)
        return Scores(self.arms, self.seeds, clients, self.seen[keep], self.values[:, :, keep])

    def decisive(self) -> Scores:
        """Keep the clients that a verdict rests on: seen ones with any value; all, where none is seen."""
        present: Array = np.any(np.isfinite(self.values), axis=(0, 1))
        kept = present & self.seen
        return self.select(kept if kept.any() else present)

    def means(self) -> dict[str, float]:
        """Return each arm's mean over seen clients and seeds, of those that have one."""
        seen = self.decisive()
        return {arm: float(nan_mean(seen.of(arm))) for arm in seen.arms}

    def unseen(self) -> Scores:
        """Keep the held-out clients."""
        return self.select(~self.seen)


def from_rows(
    rows: Iterable[Mapping[str, Any]],
    metric: str,
    split: str = "test",
    arms: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    clients: Sequence[str] | None = None,
) -> Scores:
    """Gather one metric from long-format rows.

    Args:
        rows: mappings with the keys ``COLUMNS``, as ``clients.parquet`` has them.
        metric: which metric to keep.
        split: which split to keep.
        arms: arms to keep, in this order; all, in order of appearance, when None. A name without rows is all
            missing.
        seeds: likewise.
        clients: likewise.

    Raises:
        DataError: an arm, seed and client comes twice, or a client is seen in one row and held out in
            another.

    >>> row = {"arm": "ridge", "seed": 0, "client": "a", "seen": True, "split": "test", "metric": "accuracy"}
    >>> from_rows([row | {"value": 0.9}, row | {"client": "b", "value": 0.7}], "accuracy").values.tolist()
    [[[0.9, 0.7]]]
    """
    kept = [row for row in rows if row["metric"] == metric and row["split"] == split]
    arm_at, seed_at = _positions(kept, "arm", arms), _positions(kept, "seed", seeds)
    client_at = _positions(kept, "client", clients)
    values = np.full((len(arm_at), len(seed_at), len(client_at)), np.nan)
    seen: dict[str, bool] = {}
    filled: set[tuple[str, int, str]] = set()
    for row in kept:
        cell = (row["arm"], row["seed"], row["client"])
        if cell[0] not in arm_at or cell[1] not in seed_at or cell[2] not in client_at:
            continue
        _check_row(row, cell, filled, seen)
        filled.add(cell)
        value = row["value"]
        values[arm_at[cell[0]], seed_at[cell[1]], client_at[cell[2]]] = np.nan if value is None else value
    flags = np.array([seen.get(client, True) for client in client_at], dtype=bool)
    return Scores(tuple(arm_at), tuple(seed_at), tuple(client_at), flags, values)


class Summary(NamedTuple):
    """What one arm's scores ``(seeds, clients)`` add up to; NaN where nothing is there.

    Attributes:
        mean: over clients, then over seeds.
        sd: sample SD over clients of each client's mean over seeds.
        sd_seeds: sample SD over seeds of the mean over clients.
        worst_decile: the boundary of the worst tenth of the clients, mean over seeds.
        worst_client: the worst client's score, mean over seeds.
    """

    mean: float
    sd: float
    sd_seeds: float
    worst_decile: float
    worst_client: float


def summarize(values: Array, *, lower_is_better: bool = False) -> Summary:
    """Summarise one arm's ``(seeds, clients)``; missing values are left out.

    >>> summarize(np.array([[0.5, 1.0], [0.7, 1.0]])).mean
    0.8
    """
    sign = -1.0 if lower_is_better else 1.0
    seed_means, client_means = nan_means(values, 1), nan_means(values, 0)
    worst = [[sign * low_quantile(sign * row, share) for row in values] for share in (0.1, 0.0)]
    return Summary(
        mean=nan_mean(seed_means),
        sd=_sample_sd(client_means),
        sd_seeds=_sample_sd(seed_means),
        worst_decile=nan_mean(np.array(worst[0])),
        worst_client=nan_mean(np.array(worst[1])),
    )


def worst_deciles(scores: Scores, metric: Measure | str) -> dict[str, float]:
    """Return each arm's boundary of the worst tenth of the clients, mean over seeds."""
    lower = measure(metric).lower_is_better
    return {arm: summarize(scores.of(arm), lower_is_better=lower).worst_decile for arm in scores.arms}


def share_hurt(values: Array, reference: Array, *, lower_is_better: bool = False) -> float:
    """Share of clients worse off than under a reference arm, each by its mean over common seeds.

    Args:
        values: the arm's ``(seeds, clients)``.
        reference: as ``values``; a cell missing in either is left out, and so is a client without any.
        lower_is_better: whether a greater value is worse.

    Returns:
        In [0, 1]; NaN when no client has both.

    >>> share_hurt(np.array([[0.5, 0.9]]), np.array([[0.6, 0.9]]))
    0.5
    """
    sign = -1.0 if lower_is_better else 1.0
    change = nan_means(sign * (values - reference), 0)
    change = change[np.isfinite(change)]
    # Rounding is no harm: the tolerance is far below one test example's weight.
    return float((change < -1e-9).mean()) if change.size else float("nan")


def _positions(rows: Sequence[Mapping[str, Any]], key: str, names: Sequence[Name] | None) -> dict[Name, int]:
    found = names if names is not None else dict.fromkeys(row[key] for row in rows)
    return {name: position for position, name in enumerate(found)}


def _check_row(
    row: Mapping[str, Any],
    cell: tuple[str, int, str],
    filled: set[tuple[str, int, str]],
    seen: dict[str, bool],
) -> None:
    where = f"arm '{cell[0]}', seed {cell[1]}, client '{cell[2]}'"
    if cell in filled:
        raise DataError(f"scores: one value per arm, seed and client, got a second for {where}; remove one of them")
    if seen.setdefault(cell[2], bool(row["seen"])) != bool(row["seen"]):
        raise DataError(f"scores: a client is seen or held out in every row, got both for {where}; fix its rows")


def _sample_sd(values: Array) -> float:
    present = values[np.isfinite(values)]
    return float(present.std(ddof=1)) if present.size > 1 else float("nan")
