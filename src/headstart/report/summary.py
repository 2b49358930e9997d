"""One row per arm and one per client: the numbers that every view of a run shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.core.plain import finite
from headstart.evidence.metrics import nan_means
from headstart.evidence.scores import Scores
from headstart.report.run import Json, Run
from headstart.report.units import Metric

NOTHING = "nothing"
_OLD_WORD = "oracle"
"""What a reference is called in older folders."""


@dataclass(frozen=True)
class ArmRow:
    """What one arm reached, and what it cost; None where nothing was measured.

    ``mean``, ``low``, ``high``, ``worst_decile``, ``worst_client`` and ``unseen`` are values of the deciding
    metric; bytes and FLOPs are per client over the whole run; ``hurt_*`` are shares of clients, and those that chance
    alone would show. ``out`` says why a race went on without the arm: its numbers are over the seeds that it had.
    """

    name: str
    role: str  # "recommended" | "failed" | "baseline" | "reference" | "dropped" | "incomplete" | ""
    family: str | None  # "fine-tune" | "federate" | "both"; None of a reference, or where that is not known
    stages: tuple[str, ...]  # start, federate, adapt in words
    says: str  # what the arm does, in one sentence; empty in records that do not say it
    seeds: int
    mean: float | None
    low: float | None
    high: float | None
    worst_decile: float | None
    worst_client: float | None
    unseen: float | None
    download: float | None
    upload: float | None
    flops: float | None
    memory: float | None
    rounds: float | None
    seconds: float | None
    hurt_local: float | None
    hurt_keep: float | None
    hurt_local_by_chance: float | None
    hurt_keep_by_chance: float | None
    pareto: bool
    kept: str | None  # how many clients kept their adaptation, such as "3 of 10"; None where that is not known
    epsilon: float | None = None  # of one run, for each client; None of arms without noise
    out: str | None = None  # such as "41.2 points behind ridge on validation data, after 2 seeds"; None of others

    @property
    def bytes(self) -> float | None:
        """Bytes down and up, per client."""
        known = [value for value in (self.download, self.upload) if value is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class ClientRow:
    """One client under the recommended arm, beside the baseline and local training."""

    name: str
    seen: bool
    recommended: float | None
    baseline: float | None
    local: float | None
    change: float | None  # recommended against baseline, positive is better
    change_local: float | None  # recommended against local, positive is better


def arm_rows(run: Run) -> tuple[ArmRow, ...]:
    """Every arm that ran, best mean first; arms without a mean come last."""
    metric = Metric(run.measure)
    rows = [_arm_row(run, arm) for arm in run.arms]
    return tuple(sorted(rows, key=lambda row: (row.mean is None, -metric.sign * (row.mean or 0.0))))


def client_rows(run: Run) -> tuple[ClientRow, ...]:
    """Every client, the one that gains least from the recommendation first."""
    scores = run.scores()
    means, sign = client_means(scores), Metric(run.measure).sign
    arm, *others = (recommended(run), None if run.baseline in run.failed else run.baseline, local_arm(run))
    values = [_per_client(means, name, len(scores.clients)) for name in (arm, *others)]
    gains = [_gains(scores, arm, other, sign) for other in others]
    columns = zip(scores.clients, scores.seen.tolist(), *values, *gains, strict=True)
    rows = [ClientRow(*row) for row in columns]
    return tuple(sorted(rows, key=lambda row: (row.change is None, row.change or 0.0)))


def client_means(scores: Scores) -> dict[str, NDArray[np.float64]]:
    """Mean over seeds per arm: each (clients,), NaN where a client was never measured."""
    return {arm: nan_means(scores.values[at], 0) for at, arm in enumerate(scores.arms)}


def differences(run: Run) -> dict[str, NDArray[np.float64]]:
    """Each arm's paired difference from the baseline, (clients,), positive is better.

    Seeds are paired first, then averaged. The clients are those that the verdict rests on: the seen ones,
    or all where none is seen. An arm that failed is compared with nothing.
    """
    scores = run.scores().decisive()
    if run.baseline not in scores.arms or run.baseline in run.failed:
        return {}
    base, sign = scores.of(run.baseline), Metric(run.measure).sign
    arms = [arm for arm in scores.arms if arm != run.baseline and arm not in run.failed]
    return {arm: nan_means(sign * (scores.of(arm) - base), 0) for arm in arms}


def recommended(run: Run) -> str | None:
    """The recommended arm's name, None while there is no verdict."""
    name = run.verdict.get("recommended")
    return None if name is None else str(name)


def local_arm(run: Run) -> str | None:
    """The arm in which each client trains alone from scratch, if the study has one that did not fail."""
    return "local" if "local" in run.arms and "local" not in run.failed else None


def _is_reference(run: Run, arm: str) -> bool:
    """Whether the arm pools the clients' data, which no real federation can do; older folders use another word."""
    return any(record.get("reference") or record.get(_OLD_WORD) for record in run.of(arm)[:1])


def _arm_row(run: Run, arm: str) -> ArmRow:
    records = run.of(arm)
    judged: Json = (run.verdict.get("arms") or {}).get(arm) or {}
    low, high = pair(judged.get("interval"))
    hurt = (run.verdict.get("hurt") or {}).get(arm) or {}
    return ArmRow(
        name=arm,
        role=_role(run, arm),
        family=judged.get("family"),
        stages=_stages_in_words(records[0]),
        says=str(records[0].get("says") or ""),
        seeds=len(records),
        mean=_first(judged.get("mean"), _mean_metric(records, f"client_{run.metric}")),
        low=finite(low),
        high=finite(high),
        worst_decile=_first(judged.get("worst_decile"), _mean_metric(records, "worst_decile")),
        worst_client=_first(judged.get("worst_client"), _mean_metric(records, "worst_client")),
        unseen=_first(judged.get("unseen_mean"), _mean_metric(records, f"unseen_client_{run.metric}")),
        download=_mean(record.get("costs", {}).get("download_bytes") for record in records),
        upload=_mean(record.get("costs", {}).get("upload_bytes") for record in records),
        flops=_mean(record.get("costs", {}).get("client_flops") for record in records),
        memory=_mean(record.get("costs", {}).get("peak_memory_bytes") for record in records),
        rounds=_mean(record.get("costs", {}).get("rounds") for record in records),
        seconds=_mean(record.get("timing", {}).get("seconds") for record in records),
        hurt_local=finite(hurt.get("local")),
        hurt_keep=finite(hurt.get("keep")),
        hurt_local_by_chance=finite(hurt.get("local_by_chance")),
        hurt_keep_by_chance=finite(hurt.get("keep_by_chance")),
        pareto=arm in (run.verdict.get("pareto") or ()),
        kept=str((run.verdict.get("kept") or {}).get(arm, "")).removeprefix("kept by ") or None,
        epsilon=finite(((run.verdict.get("privacy") or {}).get(arm) or {}).get("epsilon")),
        out=_out(run, arm, len(records)),
    )


def _out(run: Run, arm: str, seeds: int) -> str | None:
    """Why a race went on without an arm; one that has all seeds at a look is judged like the others."""
    gone: Json = (run.race.get("out") or {}).get(arm) or {}
    status = ((run.verdict.get("arms") or {}).get(arm) or {}).get("status")
    return f"{gone['why']}; {seeds} {'seed' if seeds == 1 else 'seeds'}" if gone and status == "dropped" else None


def _role(run: Run, arm: str) -> str:
    if arm == recommended(run):
        return "recommended"
    if arm in run.failed:
        return "failed"
    if arm == run.baseline:
        return "baseline"
    status = ((run.verdict.get("arms") or {}).get(arm) or {}).get("status")
    if status in ("reference", _OLD_WORD) or _is_reference(run, arm):
        return "reference"
    return str(status) if status in ("dropped", "incomplete") else ""


def _stages_in_words(record: Json) -> tuple[str, ...]:
    """The record's three stages in words, such as ('pretrained', 'fedavg, 30 rounds', 'keep')."""
    settings = record.get("settings") or {}
    words = [[_stage_words(stage) for stage in _stages(settings, part)] for part in ("start", "federate", "adapt")]
    return tuple(" + ".join(part) or NOTHING for part in words) if any(words) else ()


def _stages(settings: Json, part: str) -> list[Any]:
    value = settings.get(part)
    if not value:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _method(stage: Any) -> str:
    return str(stage.get("method", "")) if isinstance(stage, Mapping) else str(stage)


def _stage_words(stage: Any) -> str:
    inner = stage.get("settings", stage) if isinstance(stage, Mapping) else {}
    rounds = inner.get("rounds")
    return _method(stage) + (f", {rounds} rounds" if isinstance(rounds, int) and rounds > 1 else "")


def _per_client(means: Mapping[str, NDArray[np.float64]], arm: str | None, clients: int) -> list[float | None]:
    """An arm's mean over seeds at every client; None where there is none."""
    return list(map(finite, means[str(arm)].tolist())) if arm in means else [None] * clients


def _gains(scores: Scores, arm: str | None, other: str | None, sign: int) -> list[float | None]:
    """By how much an arm is better for each client than another, over the seeds that both have."""
    if arm not in scores.arms or other not in scores.arms:
        return [None] * len(scores.clients)
    paired = nan_means(sign * (scores.of(str(arm)) - scores.of(str(other))), 0)
    return list(map(finite, paired.tolist()))


def _mean(values: Iterable[Any]) -> float | None:
    known = [number for value in values if (number := finite(value)) is not None]
    return sum(known) / len(known) if known else None


def _mean_metric(records: Iterable[Json], name: str) -> float | None:
    return _mean((record.get("metrics") or {}).get(name) for record in records)


def pair(value: Any) -> tuple[Any, Any]:
    """An interval's two ends; both None where there is none."""
    return (value[0], value[1]) if value else (None, None)


def _first(*values: Any) -> float | None:
    return next((number for value in values if (number := finite(value)) is not None), None)
