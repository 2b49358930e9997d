"""Tables and trees for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from headstart.core.plain import by_value
from headstart.core.units import duration
from headstart.costs.units import show_bytes
from headstart.data.account_words import in_words
from headstart.evidence.verdict import prediction_held

if TYPE_CHECKING:
    from headstart.costs.arm import ArmCosts
    from headstart.data.federation import Federation
    from headstart.diagnosis import Diagnosis
    from headstart.evidence.arm_table import ArmScore
    from headstart.evidence.verdict import Verdict
    from headstart.study.estimate import Branch
    from headstart.study.written.schema import StudySettings
    from headstart.study.written.slate import Slate


def verdict_table(verdict: Verdict, costs: Mapping[str, ArmCosts], name: str, *, wide: bool) -> Table:
    """Return the arms side by side, the best first; without intervals and totals where there is no room."""
    title = f"{name}: {verdict.metric.replace('_', ' ')}, mean over clients"
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=not wide,
        pad_edge=wide,
    )
    table.add_column("arm", no_wrap=True)
    has = {"kept": bool(verdict.kept), "unseen": any(score.unseen_mean is not None for score in verdict.arms.values())}
    columns = [name for name in (_COLUMNS if wide else _NARROW) if has.get(name, True)]
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    shown = {arm: score for arm, score in verdict.arms.items() if score.mean is not None}
    for arm, score in sorted(shown.items(), key=lambda item: -(item[1].mean or 0)):
        cells = {
            **_cells(score, verdict.probability_best.get(arm), costs.get(arm)),
            "kept": verdict.kept.get(arm, "").removeprefix("kept by ").replace(" of ", "/"),
        }
        row = (cells[column] for column in columns)
        table.add_row(_label(arm, score, verdict), *row, style=_style(arm, score, verdict))
    return table


def ruled_out_lines(verdict: Verdict) -> Iterator[str]:
    """Yield a line per reason why arms did not run, with their names."""
    for reason, names in by_value(verdict.ruled_out).items():
        stopped = reason.startswith("stopped")
        yield f"[dim]{', '.join(names)}: {'' if stopped else 'ruled out: '}{escape(reason)}[/]"


def warning_lines(verdict: Verdict) -> Iterator[str]:
    """Yield a line per arm that failed though it ran, with its reason, then one per warning."""
    for name, reason in verdict.failed.items():
        if name not in verdict.ruled_out:
            yield f"[red]{name}: {escape(reason)}[/]"
    for name, warnings in verdict.warnings.items():
        yield from (f"[yellow]{name}: {escape(words)}[/]" for words in warnings)


def prediction_line(verdict: Verdict) -> str:
    """Say what the diagnosis predicted before any training, and whether that held."""
    if verdict.predicted is None:
        return "The diagnosis predicted no winner."
    words = {True: "and it held", False: "and it did not hold", None: "which cannot be checked"}
    return f"The diagnosis predicted {verdict.predicted} before any training, {words[prediction_held(verdict)]}."


WIDE = 112
"""Characters a line from which intervals and totals have room."""

_COLUMNS = ("mean", "interval", "worst", "unseen", "effect", "best", "kept", "upload", "total")
_NARROW = ("mean", "worst", "unseen", "effect", "best", "kept", "upload")
LEGEND = (
    "worst: edge of the worst tenth of the clients; unseen: held-out clients; effect: over the baseline; "
    "best: probability of being the best; kept: clients that kept their adaptation; upload: per client, all rounds"
)


def _cells(score: ArmScore, probability: float | None, cost: ArmCosts | None) -> dict[str, str]:
    low, high = score.interval or (None, None)
    return {
        "mean": _number(score.mean),
        "interval": f"{_number(low)}–{_number(high)}" if score.interval else "",
        "worst": _number(score.worst_decile),
        "unseen": _number(score.unseen_mean),
        "effect": f"{score.effect:+.3f}" if score.effect is not None else "",
        "best": f"{probability:.0%}" if probability is not None else "",
        "upload": show_bytes(cost.upload_bytes) if cost else "",
        "total": show_bytes(cost.total_bytes) if cost else "",
    }


def _label(name: str, score: ArmScore, verdict: Verdict) -> str:
    marks = {"reference": " (reference)", "oracle": " (reference)", "failed": " (failed)"}
    mark = marks.get(score.status, "")
    return name + (" *" if name == verdict.recommended else mark)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _style(name: str, score: ArmScore, verdict: Verdict) -> str:
    if name == verdict.recommended:
        return "bold green"
    return "dim" if score.status != "candidate" else ""


def plan_tree(settings: StudySettings, slate: Slate, branches: list[Branch], trials: int) -> Tree:
    """Return the prefix tree of a study, what is finished, and what the rest takes."""
    seconds, sent = sum(b.seconds for b in branches), sum(c.total_bytes for c in slate.costs.values())
    seeds = len(settings.seeds)
    left = "nothing" if all(branch.done for branch in branches) else _about(seconds)
    tree = Tree(
        f"[bold]{settings.name}[/]: {len(slate.arms)} arms × {seeds} seeds, {trials} trials an arm; "
        f"{left} to go; {show_bytes(sent)} would cross the network per seed"
    )
    grown: dict[tuple[str, ...], Tree] = {(): tree}
    for branch in branches:
        parent = grown[branch.path[:-1]]
        state = "[green]finished[/]" if branch.done else _about(branch.seconds)
        state += f" ({branch.way})" if branch.way else ""
        arms = f"  [dim]{', '.join(branch.arms)}[/]" if branch.arms else ""
        grown[branch.path] = parent.add(f"{escape(branch.path[-1])}  {state}{arms}")
    for reason, names in by_value(slate.ruled_out).items():
        tree.add(f"[dim]{', '.join(names)}: ruled out: {escape(reason)}[/]")
    return tree


def _about(seconds: float) -> str:
    """Write a rough time.

    >>> _about(0), _about(42.3)
    ('under a second', 'about 42 s')
    """
    return "under a second" if seconds < 1 else f"about {duration(seconds, digits=0)}"


def data_block(federation: Federation) -> Table:
    """Return what was read and what became of it, and what is odd, as one block that fits the terminal."""
    lines = in_words(federation.account) if federation.account else ()
    notes = list(federation.notes[:_NOTES])
    if len(federation.notes) > _NOTES:
        notes.append(f"and {len(federation.notes) - _NOTES} more in the report")
    block = Table.grid(padding=(0, 2))
    block.add_column(style="dim", no_wrap=True)
    block.add_column(overflow="fold")
    before = ""
    for label, text in (*lines, *(("note", note) for note in notes)):
        block.add_row("" if label == before else label, escape(text))
        before = label
    return block


_NOTES = 5
"""How many notes on the data the terminal shows."""


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Yield the diagnosis in lines."""
    facts = found.as_json()
    for section in ("label_skew", "quantity_skew", "feature_shift", "backbone", "ceiling"):
        values = ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in facts[section].items())
        yield f"[bold]{section.replace('_', ' ')}[/]: {values}"
    missing = facts["missing_classes"]
    yield f"[bold]clients without all classes[/]: {len(missing)}"
    winner = facts["prediction"]["winner"] or "none of the study's arms"
    yield f"[bold]predicted winner[/]: [green]{escape(winner)}[/]"
    for reason in facts["prediction"]["reasons"]:
        yield f"  {escape(reason)}"
    for rule in facts["prediction"]["rules"]:
        yield f"  [dim]{escape(rule)}[/]"


def _value(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
