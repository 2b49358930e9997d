"""What each section of the page says, worked out in plain values so that the template only lays it out."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.evidence.contest import FEW_CLIENTS
from headstart.report.run import Run
from headstart.report.summary import ArmRow, ClientRow, pair, recommended
from headstart.report.units import MISSING, Metric, share, size


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
    if recommended(run) is None:
        return "No arm can be recommended"
    return f"Use {recommended(run)}" if run.verdict.get("clear_winner") else "No clear winner"


def sentence(run: Run, rows: tuple[ArmRow, ...]) -> str:
    """The verdict in one or two sentences with its uncertainty, in the page's units."""
    if not run.verdict:
        return "The study has not finished; what follows is what its finished runs measured."
    chosen = next((row for row in rows if row.name == recommended(run)), None)
    if chosen is None or chosen.mean is None:
        return str(run.verdict.get("sentence") or "")
    metric = Metric(run.metric)
    reached = f"Its mean {metric.label} over clients is {metric.value(chosen.mean)}"
    return f"{_choice(run, chosen, rows)}. {reached}{_against(run, metric)}."


def _choice(run: Run, chosen: ArmRow, rows: tuple[ArmRow, ...]) -> str:
    if run.verdict.get("clear_winner"):
        return f"{chosen.name} is better than every other arm"
    out = ("reference", "incomplete", "failed")
    best = next((row for row in rows if row.role not in out and row.mean is not None), chosen)
    within = Metric(run.metric).change(run.verdict.get("min_effect")).lstrip("+")
    if best is chosen:
        why = f"it has the best mean and no cheaper arm comes within {within}"
    else:
        why = f"it is the cheapest arm within {within} of the best, {best.name}"
    return f"{chosen.name} is recommended, because {why}"


def _against(run: Run, metric: Metric) -> str:
    if run.baseline == recommended(run):
        return ", and it is the baseline itself"
    if run.baseline in run.failed:
        return f"; there is no comparison, for the baseline {run.baseline} failed ({run.failed[str(run.baseline)]})"
    effect = metric.change(run.verdict.get("effect"))
    if effect == MISSING:
        return ""
    between = metric.between(*pair(run.verdict.get("interval")))
    doubt = f" ({confidence(run)} interval {between})" if between != MISSING else ""
    return f", {effect} against {run.baseline}{doubt}"


def is_few(run: Run, num_clients: int) -> bool:
    """Whether there are too few clients to speak of significance."""
    return bool(run.verdict.get("few_clients", 0 < num_clients <= FEW_CLIENTS))


def confidence(run: Run) -> str:
    """The level of every interval on the page."""
    return share(run.study.get("decision", {}).get("confidence", 0.95))


def key_numbers(run: Run, rows: tuple[ArmRow, ...]) -> list[KeyNumber]:
    """The few numbers that a decision needs: effect, certainty, the weakest clients, the cost."""
    named = {row.name: row for row in rows}
    chosen = named.get(str(recommended(run)))
    base = None if run.baseline in run.failed else named.get(str(run.baseline))
    if chosen is None:
        return []
    metric = Metric(run.metric)
    candidates = [
        _effect(run, metric, chosen, base),
        None if run.verdict.get("few_clients") else _chance(chosen),
        _worst(metric, chosen, base),
        _sent(chosen, base),
    ]
    return [item for item in candidates if item is not None and item.value != MISSING]


def _effect(run: Run, metric: Metric, chosen: ArmRow, base: ArmRow | None) -> KeyNumber | None:
    if base is None or base is chosen:
        note = "the baseline itself" if base else "no baseline to compare with"
        return KeyNumber(f"{metric.label.capitalize()}, mean over clients", metric.value(chosen.mean), note)
    between = metric.between(*pair(run.verdict.get("interval")))
    note = f"{confidence(run)} interval {between}" if between != MISSING else "no interval: too few clients or seeds"
    return KeyNumber(f"Against {base.name}", metric.change(run.verdict.get("effect")), note)


def _chance(chosen: ArmRow) -> KeyNumber:
    return KeyNumber("Probability best", share(chosen.probability_best), "over redrawn seeds and clients")


def _worst(metric: Metric, chosen: ArmRow, base: ArmRow | None) -> KeyNumber:
    note = (
        f"{base.name}: {metric.value(base.worst_decile)}"
        if base and base is not chosen
        else "nine clients in ten reach it"
    )
    return KeyNumber("Worst decile of clients", metric.value(chosen.worst_decile), note)


def _sent(chosen: ArmRow, base: ArmRow | None) -> KeyNumber:
    note = f"{base.name}: {size(base.bytes)}" if base and base is not chosen else "down and up, whole run"
    return KeyNumber("Bytes per client", size(chosen.bytes), note)


def beaten(run: Run, rows: tuple[ArmRow, ...]) -> str:
    """Name the best arm that does better than every pooled reference; empty if there is none."""
    means = {row.name: Metric(run.metric).sign * row.mean for row in rows if row.mean is not None}
    reference = [means[row.name] for row in rows if row.role == "reference" and row.name in means]
    out = ("reference", "incomplete", "failed")
    able = {row.name: means[row.name] for row in rows if row.role not in out and row.name in means}
    best = max(able, key=lambda name: able[name], default="")
    return best if reference and best and able[best] > max(reference) else ""


def worst_hit(clients: tuple[ClientRow, ...], most: int = 5) -> list[ClientRow]:
    """Clients that do worse under the recommendation than alone; than the baseline, without a local arm."""
    changes = [(row.change if row.change_local is None else row.change_local, row) for row in clients]
    hurt = [(change, row) for change, row in changes if change is not None and change < 0]
    return [row for _, row in sorted(hurt, key=lambda item: item[0])][:most]
