"""What each section of the page says, worked out in plain values so that the template only lays it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.report.run import Json, Run
from headstart.report.summary import ArmRow, ClientRow, recommended
from headstart.report.units import MISSING, Metric, finite, number, share, size

FEW_CLIENTS = 6


@dataclass(frozen=True)
class KeyNumber:
    """One large number of the verdict, what it is, and what to compare it with."""

    label: str
    value: str
    note: str


def headline(run: Run) -> str:
    """The verdict in a few words."""
    if not run.verdict:
        return "No verdict yet"
    if run.verdict.get("clear_winner"):
        return f"Use {recommended(run)}"
    return "No clear winner"


def sentence(run: Run) -> str:
    """The verdict in one sentence with its uncertainty."""
    if not run.verdict:
        return "The study has not finished; what follows is what its finished runs measured."
    said = run.verdict.get("sentence")
    return str(said) if said else f"{recommended(run)} is recommended."


def is_few(run: Run, num_clients: int) -> bool:
    """Whether there are too few clients to speak of significance."""
    return bool(run.verdict.get("few_clients", 0 < num_clients <= FEW_CLIENTS))


def confidence(run: Run) -> str:
    """The level of every interval on the page."""
    return share(run.study.get("decision", {}).get("confidence", 0.95))


def key_numbers(run: Run, rows: tuple[ArmRow, ...]) -> list[KeyNumber]:
    """The few numbers that a decision needs: effect, certainty, the weakest clients, the cost."""
    named = {row.name: row for row in rows}
    chosen, base = named.get(str(recommended(run))), named.get(str(run.baseline))
    if chosen is None:
        return []
    metric = Metric(run.metric)
    candidates = [_effect(run, metric, chosen, base), _chance(chosen), _worst(metric, chosen, base), _sent(chosen, base)]
    return [item for item in candidates if item is not None and item.value != MISSING]


def _effect(run: Run, metric: Metric, chosen: ArmRow, base: ArmRow | None) -> KeyNumber | None:
    if base is None or base is chosen:
        return KeyNumber(f"{metric.label.capitalize()}, mean over clients", metric.value(chosen.mean), "the baseline itself")
    low, high = (list(run.verdict.get("interval") or ()) + [None, None])[:2]
    between = metric.between(low, high)
    note = f"{confidence(run)} interval {between}" if between != MISSING else "no interval: too few clients or seeds"
    return KeyNumber(f"{metric.label.capitalize()} against {base.name}", metric.change(run.verdict.get("effect")), note)


def _chance(chosen: ArmRow) -> KeyNumber:
    return KeyNumber("Probability best", share(chosen.probability_best), "when seeds and clients are redrawn")


def _worst(metric: Metric, chosen: ArmRow, base: ArmRow | None) -> KeyNumber:
    note = f"{base.name}: {metric.value(base.worst_decile)}" if base and base is not chosen else "nine clients in ten reach it"
    return KeyNumber("Worst decile of clients", metric.value(chosen.worst_decile), note)


def _sent(chosen: ArmRow, base: ArmRow | None) -> KeyNumber:
    note = f"{base.name}: {size(base.bytes)}" if base and base is not chosen else "down and up, whole run"
    return KeyNumber("Bytes per client", size(chosen.bytes), note)


def worst_hit(clients: tuple[ClientRow, ...], sign: int, most: int = 5) -> list[ClientRow]:
    """Clients that score lower under the recommendation than alone (or than the baseline, without a local arm)."""
    changes = [(row.change if row.change_local is None else row.change_local, row) for row in clients]
    hurt = [(sign * change, row) for change, row in changes if change is not None and sign * change < 0]
    return [row for _, row in sorted(hurt, key=lambda item: item[0])][:most]


def facts(diagnosis: Json) -> list[KeyNumber]:
    """The diagnosis as label, value, reading; only what was measured."""
    label, amount, shift = (_part(diagnosis, name) for name in ("label_skew", "quantity_skew", "feature_shift"))
    backbone, ceiling = _part(diagnosis, "backbone"), _part(diagnosis, "ceiling")
    found = [
        KeyNumber("Label skew", number(label.get("total_variation"), 2), f"Jensen–Shannon {number(label.get('jensen_shannon'), 2)}"),
        KeyNumber("Examples per client", _range(amount), f"median {_count(amount.get('median'))}, Gini {number(amount.get('gini'), 2)}"),
        KeyNumber("Feature shift", number(shift.get("frechet"), 2), f"within a class {number(shift.get('class_conditional'), 2)}"),
        KeyNumber("Backbone as it is", Metric("accuracy").value(backbone.get("ridge_accuracy")), _backbone_note(backbone)),
        KeyNumber("Ceiling for learning together", Metric("accuracy").change(ceiling.get("gap")), _ceiling_note(ceiling)),
    ]
    return [fact for fact in found if fact.value != MISSING]


def _part(diagnosis: Json, name: str) -> Json:
    value = diagnosis.get(name)
    return value if isinstance(value, Mapping) else {}


def _count(x: Any) -> str:
    value = finite(x)
    return MISSING if value is None else f"{value:,.0f}"


def _range(amount: Json) -> str:
    return f"{_count(amount.get('min'))}–{_count(amount.get('max'))}" if amount else MISSING


def _backbone_note(backbone: Json) -> str:
    return f"ridge on frozen features; kNN {Metric('accuracy').value(backbone.get('knn_accuracy'))}, LogME {number(backbone.get('logme'), 2)}"


def _ceiling_note(ceiling: Json) -> str:
    accuracy = Metric("accuracy")
    return f"pooled {accuracy.value(ceiling.get('pooled'))}, local {accuracy.value(ceiling.get('local'))}; noise {accuracy.change(ceiling.get('noise')).lstrip('+')}"


def prediction(run: Run) -> dict[str, Any] | None:
    """The winner foretold before training, why, and whether it came true; None when nothing was foretold."""
    foretold = _part(run.diagnosis, "prediction")
    said = run.verdict.get("predicted")
    inner = said if isinstance(said, Mapping) else {"winner": said}
    winner = inner.get("winner") or foretold.get("winner")
    if not winner:
        return None
    held = inner.get("held", winner == recommended(run) if run.verdict else None)
    return {
        "winner": winner,
        "held": held,
        "reasons": list(foretold.get("reasons") or inner.get("reasons") or ()),
        "rules": list(foretold.get("rules") or inner.get("rules") or ()),
    }


def excluded(run: Run) -> list[dict[str, Any]]:
    """Clients left out of rounds, one line per arm, client and reason, with how often it happened."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for record in run.records:
        for item in record.get("excluded") or ():
            seen[str(record["arm"]), str(item.get("client")), str(item.get("reason"))] += 1
    return [{"arm": arm, "client": client, "reason": reason, "times": n} for (arm, client, reason), n in seen.items()]


def data_notes(run: Run) -> list[str]:
    """What a reader should know about the data and the folder before believing a number."""
    scores = run.scores()
    lost = int(np.isnan(scores.values).sum())
    notes = list(run.notes)
    if lost:
        notes.append(f"{lost} of {scores.values.size} client scores are missing; means are over the rest.")
    absent = run.diagnosis.get("missing_classes") or {}
    if absent:
        names = ", ".join(list(absent)[:8]) + (" and others" if len(absent) > 8 else "")
        notes.append(f"{len(absent)} clients lack at least one class in their training data: {names}.")
    if len(run.seeds) == 1:
        notes.append("One seed only: the spread between repetitions is unknown.")
    return notes


def tuning(run: Run) -> list[dict[str, Any]]:
    """Per tuned arm: trials per seed, and the values chosen on validation data, each with how many seeds chose it."""
    lines = []
    for arm in run.arms:
        tuned = [record["tuning"] for record in run.of(arm) if record.get("tuning")]
        if tuned:
            lines.append({"arm": arm, "trials": max(map(len, tuned)), "values": _chosen(tuned), "score": _best_score(tuned)})
    return lines


def _best(trials: list[Json]) -> Json:
    return max(trials, key=lambda trial: -np.inf if finite(trial.get("score")) is None else trial["score"])


def _chosen(tuned: list[list[Json]]) -> list[tuple[str, str]]:
    values: dict[str, list[Any]] = {}
    for trials in tuned:
        for name, value in (_best(trials).get("values") or {}).items():
            values.setdefault(name, []).append(value)
    return [(name, _summarised(items)) for name, items in values.items()]


def _summarised(items: list[Any]) -> str:
    distinct = sorted(set(items), key=lambda item: (isinstance(item, str), item))
    written = [f"{item:.3g}" if isinstance(item, float) else str(item) for item in distinct]
    return ", ".join(dict.fromkeys(written))


def _best_score(tuned: list[list[Json]]) -> str:
    scores = [score for trials in tuned if (score := finite(_best(trials).get("score"))) is not None]
    return number(sum(scores) / len(scores)) if scores else MISSING


def versions(run: Run) -> list[tuple[str, str]]:
    """Software versions over all records; several where the records differ."""
    found: dict[str, list[str]] = {}
    for record in run.records:
        for name, version in (record.get("versions") or {}).items():
            found.setdefault(name, []).append(str(version))
    return [(name, ", ".join(dict.fromkeys(items))) for name, items in found.items()]


def hashes(run: Run) -> list[tuple[str, str]]:
    """The hashes of the study and of the decision rule that the records carry."""
    pairs = (("study", "Study"), ("decision", "Decision rule"))
    found = [(label, dict.fromkeys(str(r[key]) for r in run.records if r.get(key))) for key, label in pairs]
    return [(label, ", ".join(values)) for label, values in found if values]
