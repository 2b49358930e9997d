"""What the top of the page says, worked out in plain values so that the template only lays it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headstart.evidence.contest import FEW_CLIENTS
from headstart.report import answer
from headstart.report.answer import Question
from headstart.report.race import percent
from headstart.report.run import Run
from headstart.report.summary import ArmRow, ClientRow, pair, recommended
from headstart.report.units import MISSING, Metric, size


@dataclass(frozen=True)
class KeyNumber:
    """One large number of the verdict, what it is, and what to compare it with."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Branch:
    """A sub-question and where its interval lies on the scale that all share, in percent of its width.

    Attributes:
        question: with its answer.
        dot: place of the gap; None without.
        left: where the interval begins; None without one.
        width: of the interval.
    """

    question: Question
    dot: float | None
    left: float | None
    width: float


@dataclass(frozen=True)
class Tree:
    """The sub-questions on one scale, all places in percent of its width.

    Attributes:
        branches: the questions.
        zero: where no difference lies.
        left: where differences that do not matter begin.
        width: of their band.
    """

    branches: tuple[Branch, ...]
    zero: float
    left: float
    width: float


def headline(run: Run) -> str:
    """The answer in a few words."""
    if run.verdict:
        return answer.headline(run.verdict)
    return "No verdict yet" if run.records else "No answer yet" if run.diagnosis else "Reading…"


_READ = {False: "was read", True: "was read, and what the data say before any training"}


def sentence(run: Run, rows: tuple[ArmRow, ...]) -> str:
    """The answer's grounds and its uncertainty; of an older verdict, what it recommends."""
    if not run.verdict and run.records:
        return "The study has not finished; what follows is what its finished runs measured."
    if not run.verdict:
        return f"No arm is finished yet, so there is no answer; what follows is what {_READ[bool(run.diagnosis)]}."
    chosen = next((row for row in rows if row.name == recommended(run)), None)
    if answer.has_answer(run.verdict) or chosen is None or chosen.mean is None:
        return answer.lead(run.verdict)
    metric = Metric(run.measure)
    return f"Its mean {metric.label} over clients is {metric.value(chosen.mean)}{_against(run, metric)}."


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


def tree(run: Run) -> Tree | None:
    """The sub-questions on a common scale; None in a verdict from before the answer."""
    asked = answer.questions(run.verdict)
    if not asked:
        return None
    matters = float(run.verdict.get("min_effect") or 0.0)
    ends = [value for one in asked for value in (one.gap, one.low, one.high) if value is not None]
    low, high = min([0.0, -matters, *ends]), max([0.0, matters, *ends])
    room = 0.04 * (high - low) or 1.0
    low, high = low - room, high + room

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    branches = tuple(_branch(one, place) for one in asked)
    return Tree(branches, place(0.0), place(-matters), round(place(matters) - place(-matters), 2))


def _branch(one: Question, place: Callable[[float], float]) -> Branch:
    dot = None if one.gap is None else place(one.gap)
    if one.low is None or one.high is None:
        return Branch(one, dot, None, 0.0)
    return Branch(one, dot, place(one.low), round(place(one.high) - place(one.low), 2))


def is_few(run: Run, num_clients: int) -> bool:
    """Whether clients are so few that each is listed under every arm."""
    return bool(run.verdict.get("few_clients", 0 < num_clients <= FEW_CLIENTS))


def confidence(run: Run) -> str:
    """The level of every interval on the page: in a race, that of the look."""
    return percent(float(run.verdict.get("confidence") or run.study.get("decision", {}).get("confidence", 0.95)))


def key_numbers(run: Run, rows: tuple[ArmRow, ...]) -> list[KeyNumber]:
    """The few numbers that a decision needs: what the choice may cost, effect, the weakest clients, bytes."""
    named = {row.name: row for row in rows}
    chosen = named.get(str(recommended(run)))
    base = None if run.baseline in run.failed else named.get(str(run.baseline))
    if chosen is None:
        return []
    metric = Metric(run.measure)
    candidates = [*_behind(run), _effect(run, metric, chosen, base), _worst(metric, chosen, base), _sent(chosen, base)]
    return [item for item in candidates if item.value != MISSING]


def _behind(run: Run) -> Iterator[KeyNumber]:
    """What it may cost to use the arm though another family were the best."""
    expected, most = answer.behind(run.verdict)
    if most:
        yield KeyNumber("At most behind the best", most[:1].upper() + most[1:], f"expected: {expected}")


def _effect(run: Run, metric: Metric, chosen: ArmRow, base: ArmRow | None) -> KeyNumber:
    if base is None or base is chosen:
        note = "the baseline itself" if base else "no baseline to compare with"
        return KeyNumber(f"{metric.heading}, mean over clients", metric.value(chosen.mean), note)
    between = metric.between(*pair(run.verdict.get("interval")))
    note = f"{confidence(run)} interval {between}" if between != MISSING else "no interval: too few clients or seeds"
    return KeyNumber(f"Against {base.name}", metric.change(run.verdict.get("effect")), note)


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
    means = {row.name: Metric(run.measure).sign * row.mean for row in rows if row.mean is not None}
    reference = [means[row.name] for row in rows if row.role == "reference" and row.name in means]
    out = ("reference", "dropped", "incomplete", "failed")
    able = {row.name: means[row.name] for row in rows if row.role not in out and row.name in means}
    best = max(able, key=lambda name: able[name], default="")
    return best if reference and best and able[best] > max(reference) else ""


def worst_hit(clients: tuple[ClientRow, ...], most: int = 5) -> list[ClientRow]:
    """Clients that do worse under the recommendation than alone; than the baseline, without a local arm."""
    changes = [(row.change if row.change_local is None else row.change_local, row) for row in clients]
    hurt = [(change, row) for change, row in changes if change is not None and change < 0]
    return [row for _, row in sorted(hurt, key=lambda item: item[0])][:most]


_ALL_LISTED, _EXTREMES = 500, 50
"""Clients up to which each is listed, and how many of each kind are of more."""


def listed(clients: tuple[ClientRow, ...], *, lower_is_better: bool) -> tuple[ClientRow, ...]:
    """The clients that have a line of their own: all, or the best, the worst and the most changed of many."""
    if len(clients) <= _ALL_LISTED:
        return clients
    sign = -1 if lower_is_better else 1
    by_value = sorted((row for row in clients if row.recommended is not None), key=lambda row: sign * _value(row))
    by_change = sorted((row for row in clients if row.change is not None), key=lambda row: -abs(row.change or 0.0))
    names = {row.name for row in (*by_value[:_EXTREMES], *by_value[-_EXTREMES:], *by_change[:_EXTREMES])}
    return tuple(row for row in clients if row.name in names)


def _value(row: ClientRow) -> float:
    return row.recommended or 0.0
