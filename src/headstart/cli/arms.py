"""The arms of a verdict as a table that always fits, and the lines about single arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from headstart.cli.terminal import shown
from headstart.core.plain import by_value
from headstart.costs.units import show_bytes
from headstart.evidence.privacy_words import privacy_lines
from headstart.report.race import course

if TYPE_CHECKING:
    from headstart.costs.arm import ArmCosts
    from headstart.evidence.arm_table import ArmScore
    from headstart.evidence.verdict import Verdict

_Cells = Mapping[str, Mapping[str, str]]

_ORDER = ("family", "mean", "interval", "effect", "worst", "unseen", "kept", "upload", "total")
_PRIORITY = ("mean", "interval", "effect", "family", "upload", "unseen", "worst", "kept", "total")
"""Columns as they stand, and as they are given room: the last is the first to go."""
_MEANINGS = {
    "interval": "of the mean",
    "effect": "over the baseline",
    "worst": "edge of the worst tenth of the clients",
    "unseen": "held-out clients",
    "kept": "clients that kept their adaptation",
    "upload": "per client, all rounds",
    "total": "bytes of all clients, both ways",
}
_REASONS = 8
"""Reasons of one kind for which a race went on without arms, at most, that the terminal tells one by one."""
_NAME = 24
"""Characters of a name that any terminal shows."""
_GAP, _MARGIN = 2, 2
"""Characters between two columns, and at both ends together."""


def verdict_table(verdict: Verdict, costs: Mapping[str, ArmCosts], name: str, width: int) -> Table:
    """Return the arms side by side, the best first, with as many columns as fit; arm, mean and interval always.

    Args:
        verdict: of the study.
        costs: per arm.
        name: of the study.
        width: characters a line.
    """
    cells = _cells(verdict, costs, width)
    columns = _fitting(cells, width)
    title = f"{name}: {verdict.measure.words}, mean over clients"
    table = Table(title=shown(title), title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for column in ("arm", *columns):
        numbers = column not in ("arm", "family")
        table.add_column(column, justify="right" if numbers else "left", no_wrap=True)
    for arm, row in cells.items():
        style = _style(arm, verdict.arms[arm], verdict)
        table.add_row(*(shown(row[column]) for column in ("arm", *columns)), style=style)
    table.min_width = _width(cells, columns)
    return table


def legend(verdict: Verdict, costs: Mapping[str, ArmCosts], width: int) -> str:
    """Say what the columns mean that fit."""
    columns = _fitting(_cells(verdict, costs, width), width)
    return "; ".join(f"{column}: {_MEANINGS[column]}" for column in columns if column in _MEANINGS)


def _cells(verdict: Verdict, costs: Mapping[str, ArmCosts], width: int) -> _Cells:
    """Return what every arm with a mean shows by column, the best first; a name is cut that leaves a mean no room."""
    sign = -verdict.measure.sign
    shown = {arm: score for arm, score in verdict.arms.items() if score.mean is not None}
    ordered = sorted(shown, key=lambda arm: sign * (shown[arm].mean or 0.0))
    cells = {arm: _row(arm, verdict, costs.get(arm)) for arm in ordered}
    nameless = {arm: row | {"arm": ""} for arm, row in cells.items()}
    room = max(_NAME, width - _width(nameless, ("mean", "interval")) + len("arm"))
    return {arm: row | {"arm": _cut(row["arm"], room)} for arm, row in cells.items()}


def _cut(name: str, room: int) -> str:
    """Cut a name in its middle, so that both ends tell it from others.

    >>> _cut("fedavg-pretrained", 20), _cut("fedavg-pretrained *", 11)
    ('fedavg-pretrained', 'fedav…ned *')
    """
    half = room // 2
    return name if len(name) <= room else f"{name[:half]}…{name[half + 1 - room :]}"


def _row(arm: str, verdict: Verdict, cost: ArmCosts | None) -> dict[str, str]:
    score = verdict.arms[arm]
    low, high = score.interval or (None, None)
    return {
        "arm": _label(arm, score, verdict),
        "family": score.family or "",
        "mean": _number(score.mean, verdict),
        "interval": f"{_number(low, verdict)}–{_number(high, verdict)}" if score.interval else "",
        "worst": _number(score.worst_decile, verdict),
        "unseen": _number(score.unseen_mean, verdict),
        "effect": _signed(score.effect, verdict),
        "kept": verdict.kept.get(arm, "").removeprefix("kept by ").replace(" of ", "/"),
        "upload": show_bytes(cost.upload_bytes) if cost else "",
        "total": show_bytes(cost.total_bytes) if cost else "",
    }


def _fitting(cells: _Cells, width: int) -> tuple[str, ...]:
    """Return the columns that have anything to show and fit, in their order."""
    kept: tuple[str, ...] = ()
    for column in _PRIORITY:
        more = (*kept, column)
        always = column in ("mean", "interval")
        if any(row[column] for row in cells.values()) and (always or _width(cells, more) <= width):
            kept = more
    return tuple(column for column in _ORDER if column in kept)


def _width(cells: _Cells, columns: Sequence[str]) -> int:
    widths = [max(len(name), *(len(row[name]) for row in cells.values())) for name in ("arm", *columns)]
    return sum(widths) + _GAP * (len(widths) - 1) + _MARGIN


def _label(name: str, score: ArmScore, verdict: Verdict) -> str:
    mark = f" ({score.status})" if score.status in ("reference", "failed", "dropped") else ""
    return name + (" *" if name == verdict.recommended else mark)


def _number(value: float | None, verdict: Verdict) -> str:
    if value is None:
        return ""
    return verdict.measure.number(value) if verdict.measure.is_tiny(value) else f"{value:.3f}"


def _signed(value: float | None, verdict: Verdict) -> str:
    return "" if value is None else f"{'-' if value < 0 else '+'}{_number(abs(value), verdict)}"


def _style(name: str, score: ArmScore, verdict: Verdict) -> str:
    if name == verdict.recommended:
        return "bold green"
    return "dim" if score.status != "candidate" else ""


def ruled_out_lines(ruled_out: Mapping[str, str]) -> Iterator[str]:
    """Yield a line per reason for which arms did not run, with their names."""
    for reason, names in by_value(ruled_out).items():
        stopped = reason.startswith("stopped")
        yield f"[dim]{shown(', '.join(names))}: {'' if stopped else 'ruled out: '}{shown(reason)}[/]"


def race_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line per reason for which a race went on without arms, with their names; of many reasons, one for all.

    Args:
        found: what ``verdict.json`` says.
    """
    race = course(found)
    # A reference is no answer anyway.
    gone = [one for one in race.out if one.kind != "reference"] if race else []
    many = {how for how in {one.how for one in gone} if len({one.why for one in gone if one.how == how}) > _REASONS}
    out = {one.arm: f"{one.how}; the report says why" if one.how in many else one.reason for one in gone}
    for reason, names in by_value(out).items():
        yield f"[dim]{shown(', '.join(names))}: {shown(reason)}[/]"


def promise_lines(privacy: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line per arm with noise: what it promises each client.

    Args:
        privacy: by arm, as in its records.
    """
    yield from (f"[dim]{shown(arm)}: {shown(words)}[/]" for arm, words in privacy_lines(privacy))


def warning_lines(verdict: Verdict) -> Iterator[str]:
    """Yield a line per arm that failed though it ran, with its reason, then one per warning."""
    for name, reason in verdict.failed.items():
        if name not in verdict.ruled_out:
            yield f"[red]{shown(name)}: {shown(reason)}[/]"
    for name, warnings in verdict.warnings.items():
        yield from (f"[yellow]{shown(name)}: {shown(words)}[/]" for words in warnings)
