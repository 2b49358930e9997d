"""How the arms that federate learn over rounds, on the clients' validation data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt

from headstart.core.plain import finite
from headstart.report.charts import at, colour, constant, finish, inline, label_width, says, spread
from headstart.report.palette import FAINT, OTHERS, ROLE_COLOUR
from headstart.report.run import Run
from headstart.report.summary import arm_rows
from headstart.report.units import Metric

FEW = 10  # lines that all have a colour and a name; of more, the others are grey
DASHES = ([1, 0], [1, 0], [5, 3], [2, 2], [7, 3, 2, 3], [5, 3])


@dataclass(frozen=True)
class Curve:
    """One arm's stage: mean, lowest and highest validation score over seeds, per round."""

    arms: tuple[str, ...]
    stage: str
    role: str
    points: tuple[tuple[int, float, float, float], ...]  # round, mean, low, high; as written


def curves_figure(run: Run, width: int) -> Any:
    """One line per arm and federated stage, mean over seeds with their range; equal curves share a line."""
    metric = _curve_metric(run)
    lines, others = _told_apart(curves(run))
    if not lines:
        return None
    height = 320
    names = [_label(curve, lines) for curve in lines] + ([f"{len(others)} others, grey"] if others else [])
    right = label_width(names, width)
    inner = width - right - 52
    looks = _looks(lines)
    domain = _domain([*lines, *others], metric)
    last = max(curve.points[-1][0] for curve in (*lines, *others))
    x, y = _axes(last, domain, metric)
    ends = [height * (domain[1] - curve.points[-1][1]) / (domain[1] - domain[0]) for curve in lines]
    ends += [float(height)] if others else []
    layers = [*([_grey(others, x, y)] if others else []), *_lines(lines, looks, names[: len(lines)], x, y)]
    named = [*looks, *([_GREY] if others else [])]
    layers += [_leaders(lines, looks, last, x, y), *_names(names, named, inner, spread(ends, 15, 0, height))]
    described = "; ".join(
        f"{name}: {metric.value(c.points[-1][1] / metric.factor)} after {c.points[-1][0]} rounds"
        for name, c in zip(names, lines, strict=False)
    )
    return finish(alt.layer(*layers), int(inner), height, f"Validation {metric.label} over rounds", described)


def _told_apart(lines: list[Curve]) -> tuple[list[Curve], list[Curve]]:
    """Return the lines to be told apart, those of a role and the best, and the others: there are only so many looks."""
    if len(lines) <= FEW:
        return lines, []
    free = [curve for curve in lines if not curve.role][: len(OTHERS)]
    return [c for c in lines if c.role or c in free], [c for c in lines if not c.role and c not in free]


def _curve_metric(run: Run) -> Metric:
    """What curves show: the deciding metric; accuracy in folders from before it was kept."""
    points = (point for record in run.records for point in record.get("curve") or ())
    return Metric(run.measure) if any("val_score" in point for point in points) else Metric("accuracy")


def _axes(last: int, domain: list[float], metric: Metric) -> tuple[alt.X, alt.Y]:
    """Rounds across up to the last one, scores upwards over the domain."""
    rounds = alt.Scale(domain=[0, last], nice=False)
    scores = alt.Scale(domain=domain, nice=False, zero=False)
    return (
        alt.X("round:Q", title="Round", scale=rounds, axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6)),
        alt.Y("value:Q", title=f"Validation {metric.inner_title}", scale=scores, axis=alt.Axis(tickCount=6)),
    )


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
    values, factor = dict[str, dict[int, list[float]]](), _curve_metric(run).factor
    for record in run.of(arm):
        for point in record.get("curve") or ():
            score = finite(point.get("val_score", point.get("val_accuracy")))
            if score is not None:
                stage = values.setdefault(str(point.get("stage", "")), {})
                stage.setdefault(int(point["round"]), []).append(factor * score)
    return {stage: tuple(_point(at, rounds[at]) for at in sorted(rounds)) for stage, rounds in values.items()}


def _point(at: int, values: list[float]) -> tuple[int, float, float, float]:
    return at, sum(values) / len(values), min(values), max(values)


def _label(curve: Curve, lines: list[Curve]) -> str:
    several = sum(bool(set(other.arms) & set(curve.arms)) for other in lines) > 1
    name = curve.arms[0] + (f" +{len(curve.arms) - 1}" if len(curve.arms) > 1 else "")
    return f"{name} · {curve.stage}" if several else name


def _looks(lines: list[Curve]) -> list[dict[str, Any]]:
    looks, free = [], 0
    for curve in lines:
        if curve.role:
            looks.append({"colour": ROLE_COLOUR[curve.role], "dash": [1, 0], "wide": 2.5})
        else:
            looks.append({"colour": OTHERS[free % len(OTHERS)], "dash": DASHES[free % len(DASHES)], "wide": 1.5})
            free += 1
    return looks


def _domain(lines: list[Curve], metric: Metric) -> list[float]:
    low = min(point[2] for curve in lines for point in curve.points)
    high = max(point[3] for curve in lines for point in curve.points)
    room = max(high - low, 0.01 * metric.factor)
    least, most = (end * metric.factor for end in (metric.measure.low, metric.measure.high))
    return [max(low - 0.04 * room, least), min(high + 0.04 * room, most)]


def _lines(lines: list[Curve], looks: list[dict[str, Any]], names: list[str], x: Any, y: Any) -> list[Any]:
    rows = [
        {"line": at, "round": r, "value": mean, "low": low, "high": high, **look, "title": names[at]}
        for at, (curve, look) in enumerate(zip(lines, looks, strict=True))
        for r, mean, low, high in curve.points
    ]
    base = alt.Chart(inline(rows)).encode(x=x, detail="line:N", color=colour())
    return [
        base.mark_area(opacity=0.1).encode(y="low:Q", y2="high:Q"),
        base.mark_line().encode(y=y, description=says(), **_stroke()),
    ]


_GREY = {"colour": FAINT, "dash": [1, 0], "wide": 1.0}


def _grey(lines: list[Curve], x: Any, y: Any) -> Any:
    """Means alone, thin and behind the others."""
    rows = [{"line": at, "round": r, "value": mean} for at, curve in enumerate(lines) for r, mean, _, _ in curve.points]
    chart = alt.Chart(inline(rows)).mark_line(strokeWidth=1, opacity=0.7)
    return chart.encode(x=x, y=y, detail="line:N", color=constant(FAINT))


def _stroke() -> dict[str, Any]:
    dash = alt.StrokeDash("dash:N", scale=None, legend=None)
    return {"strokeDash": dash, "strokeWidth": alt.StrokeWidth("wide:Q", scale=None, legend=None)}


def _leaders(lines: list[Curve], looks: list[dict[str, Any]], last: int, x: Any, y: Any) -> Any:
    """Faint lines from where a curve stops early to its name."""
    rows = [
        {"line": at, "round": r, "value": curve.points[-1][1], **look}
        for at, (curve, look) in enumerate(zip(lines, looks, strict=True))
        for r in (curve.points[-1][0], last)
    ]
    chart = alt.Chart(inline(rows)).mark_line(strokeWidth=1, strokeDash=[1, 3], opacity=0.8)
    return chart.encode(x=x, y=y, detail="line:N", color=colour())


def _names(names: list[str], looks: list[dict[str, Any]], inner: float, heights: list[float]) -> list[Any]:
    rows = [{"name": n, "at": h, **look} for n, look, h in zip(names, looks, heights, strict=True)]
    kinds: tuple[tuple[Any, list[dict[str, Any]]], ...] = (
        ("bold", [row for row in rows if row["wide"] > 2]),
        ("normal", [row for row in rows if row["wide"] < 2]),
    )
    return [
        alt.Chart(inline(chosen))
        .mark_text(align="left", baseline="middle", fontWeight=weight)
        .encode(x=at(inner + 8), y=alt.Y("at:Q", scale=None), text="name:N", color=colour())
        for weight, chosen in kinds
        if chosen
    ]
