"""How the arms that federate learn over rounds, on the clients' validation data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt

from headstart.report.charts import finish, inline, label_width, literal, spread
from headstart.report.palette import OTHERS, ROLE_COLOUR
from headstart.report.run import Run
from headstart.report.summary import arm_rows
from headstart.report.units import finite

DASHES = ([], [], [5, 3], [2, 2], [7, 3, 2, 3], [5, 3])


@dataclass(frozen=True)
class Curve:
    """One arm's stage: mean, lowest and highest validation accuracy over seeds, per round."""

    arms: tuple[str, ...]
    stage: str
    role: str
    points: tuple[tuple[int, float, float, float], ...]  # round, mean, low, high; percent


def curves_figure(run: Run, width: int) -> Any:
    """One line per arm and federated stage, mean over seeds with their range; arms with one curve share a line."""
    lines = curves(run)
    if not lines:
        return None
    height = 320
    names = [_label(curve, lines) for curve in lines]
    right = min(label_width(names), 0.42 * width)
    inner = width - right - 52
    looks = _looks(lines)
    domain = _domain(lines)
    last = max(curve.points[-1][0] for curve in lines)
    x = alt.X("round:Q", title="Round", scale=alt.Scale(domain=[0, last], nice=False), axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6))
    y = alt.Y("value:Q", title="Validation accuracy, %", scale=alt.Scale(domain=domain, nice=False, zero=False), axis=alt.Axis(tickCount=6))
    ends = [height * (domain[1] - curve.points[-1][1]) / (domain[1] - domain[0]) for curve in lines]
    layers = [layer for curve, look in zip(lines, looks, strict=True) for layer in _line(curve, look, x, y)]
    layers += [_leader(curve, look, last, x, y) for curve, look in zip(lines, looks, strict=True)]
    layers += [
        _name(name, look, inner, at)
        for name, look, at in zip(names, looks, spread(ends, 15, 0, height), strict=True)
    ]
    described = "; ".join(f"{name}: {c.points[-1][1]:.1f}% after {c.points[-1][0]} rounds" for name, c in zip(names, lines, strict=True))
    return finish(alt.layer(*layers), int(inner), height, "Validation accuracy over rounds", described)


def curves(run: Run) -> list[Curve]:
    """The learning curves with at least two rounds; equal ones, from a shared prefix, are one."""
    found: dict[tuple[Any, ...], Curve] = {}
    for row in arm_rows(run):
        for stage, points in _stages(run, row.name).items():
            if len(points) < 2:
                continue
            known = found.get((stage, points))
            arms = (*known.arms, row.name) if known else (row.name,)
            role = row.role if row.role in ("recommended", "baseline") else (known.role if known else "")
            found[stage, points] = Curve(arms, stage, role, points)
    return list(found.values())


def _stages(run: Run, arm: str) -> dict[str, tuple[tuple[int, float, float, float], ...]]:
    values: dict[str, dict[int, list[float]]] = {}
    for record in run.of(arm):
        for point in record.get("curve") or ():
            accuracy = finite(point.get("val_accuracy"))
            if accuracy is not None:
                values.setdefault(str(point.get("stage", "")), {}).setdefault(int(point["round"]), []).append(accuracy)
    return {stage: tuple(_point(at, rounds[at]) for at in sorted(rounds)) for stage, rounds in values.items()}


def _point(at: int, values: list[float]) -> tuple[int, float, float, float]:
    return at, 100 * sum(values) / len(values), 100 * min(values), 100 * max(values)


def _label(curve: Curve, lines: list[Curve]) -> str:
    several = sum(bool(set(other.arms) & set(curve.arms)) for other in lines) > 1
    name = curve.arms[0] + (f" +{len(curve.arms) - 1}" if len(curve.arms) > 1 else "")
    return f"{name} · {curve.stage}" if several else name


def _looks(lines: list[Curve]) -> list[dict[str, Any]]:
    looks, free = [], 0
    for curve in lines:
        if curve.role:
            looks.append({"colour": ROLE_COLOUR[curve.role], "dash": [], "wide": 2.5})
        else:
            looks.append({"colour": OTHERS[free % len(OTHERS)], "dash": DASHES[free % len(DASHES)], "wide": 1.5})
            free += 1
    return looks


def _domain(lines: list[Curve]) -> list[float]:
    low = min(point[2] for curve in lines for point in curve.points)
    high = max(point[3] for curve in lines for point in curve.points)
    room = max(high - low, 1.0)
    return [max(low - 0.04 * room, 0.0), min(high + 0.04 * room, 100.0)]


def _line(curve: Curve, look: dict[str, Any], x: Any, y: Any) -> list[Any]:
    rows = [{"round": r, "value": m, "low": lo, "high": hi, **look} for r, m, lo, hi in curve.points]
    base = alt.Chart(inline(rows))
    return [
        base.mark_area(opacity=0.1).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=literal("colour")),
        base.mark_line(strokeWidth=look["wide"], strokeDash=look["dash"] or alt.Undefined).encode(
            x=x, y=y, color=literal("colour")
        ),
    ]


def _leader(curve: Curve, look: dict[str, Any], last: int, x: Any, y: Any) -> Any:
    """A faint line from where a curve stops early to its name."""
    stop, value = curve.points[-1][:2]
    rows = [{"round": at, "value": value, **look} for at in (stop, last)]
    chart = alt.Chart(inline(rows)).mark_line(strokeWidth=1, strokeDash=[1, 3], opacity=0.8)
    return chart.encode(x=x, y=y, color=literal("colour"))


def _name(name: str, look: dict[str, Any], inner: float, at: float) -> Any:
    weight = "bold" if look["wide"] > 2 else "normal"
    return (
        alt.Chart(inline([{"name": name, **look}]))
        .mark_text(align="left", baseline="middle", fontWeight=weight)
        .encode(x=alt.value(inner + 8), y=alt.value(at), text="name:N", color=literal("colour"))
    )
