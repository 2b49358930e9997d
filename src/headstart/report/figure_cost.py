"""What accuracy costs on the network: each arm's mean against its bytes per client, and the Pareto front."""

from __future__ import annotations

import itertools
import math
from typing import Any

import altair as alt

from headstart.report.charts import constant, finish, inline, place_labels, role_marks, says
from headstart.report.palette import FAINT, INK, MUTED, look
from headstart.report.run import Run
from headstart.report.summary import ArmRow, arm_rows
from headstart.report.units import Metric, size

FEW = 12  # arms that are all named; of more, those that find no place for their names are points alone
GAP = 0.8  # decades between "nothing sent" and the smallest arm that sends
_NAMED = ("recommended", "baseline")


def cost_figure(run: Run, width: int) -> Any:
    """Accuracy against bytes, logarithmic, with a place of its own on the left for arms that send nothing."""
    metric = Metric(run.measure)
    rows = [row for row in arm_rows(run) if row.mean is not None and row.bytes is not None and row.role != "reference"]
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda row: (row.role not in _NAMED, not row.pareto))
    inner, height = width - 58, 340 if width > 500 else 380
    zero, top = _bytes_range(rows)
    xs = [_position(row, zero) for row in rows]
    ys = [_value(row, metric) for row in rows]
    x_domain, y_domain = [zero - 0.25, top + 0.15], _padded(ys)
    pixels = [(_to(x, x_domain, 0, inner), _to(y, y_domain, height, 0)) for x, y in zip(xs, ys, strict=True)]
    needed = sum(row.role in _NAMED or row.pareto for row in rows) if len(rows) > FEW else None
    labels = place_labels(pixels, [row.name for row in rows], inner, height, _steps(rows, pixels), needed)
    points = [_point(*item) for item in zip(rows, xs, ys, pixels, labels, strict=True)]
    points = [{**point, "title": _title(row, metric)} for point, row in zip(points, rows, strict=True)]
    x = alt.X("x:Q", axis=_bytes_axis(zero, top), scale=alt.Scale(domain=x_domain, nice=False, zero=False))
    y = alt.Y(
        "y:Q",
        title=metric.title,
        scale=alt.Scale(domain=y_domain, nice=False, zero=False),
        axis=alt.Axis(tickCount=6),
    )
    layers = alt.layer(_front(points, x, y), _leaders(points), _marks(points, x, y), *_names(points))
    described = "; ".join(_title(row, metric) for row in rows)
    return finish(layers, int(inner), height, f"{metric.heading} against bytes per client", described)


def _title(row: ArmRow, metric: Metric) -> str:
    return f"{row.name}: {size(row.bytes)}, {metric.value(row.mean)}"


def _bytes_range(rows: list[ArmRow]) -> tuple[float, float]:
    """Where zero bytes stand, and the largest arm, in powers of ten."""
    sent = [math.log10(row.bytes) for row in rows if row.bytes]
    low, high = (min(sent), max(sent)) if sent else (1.0, 1.0)
    has_zero = any(not row.bytes for row in rows)
    return (math.floor(low) - (GAP if has_zero else 0), max(high, math.floor(low) + 1))


def _position(row: ArmRow, zero: float) -> float:
    return math.log10(row.bytes) if row.bytes else zero


def _value(row: ArmRow, metric: Metric) -> float:
    return (row.mean or 0.0) * metric.factor


def _padded(values: list[float]) -> list[float]:
    room = max(max(values) - min(values), 1e-9)
    return [min(values) - 0.12 * room, max(values) + 0.12 * room]


def _steps(rows: list[ArmRow], pixels: list[tuple[float, float]]) -> list[tuple[float, ...]]:
    """The front's steps as thin boxes, so that no label lies on the line."""
    front = sorted(pixel for row, pixel in zip(rows, pixels, strict=True) if row.pareto)
    level: list[tuple[float, ...]] = [(a[0], a[1] - 2, b[0], a[1] + 2) for a, b in itertools.pairwise(front)]
    return level + [(b[0] - 2, b[1], b[0] + 2, a[1]) for a, b in itertools.pairwise(front)]


def _to(value: float, domain: list[float], start: float, stop: float) -> float:
    return start + (value - domain[0]) / (domain[1] - domain[0]) * (stop - start)


def _point(
    row: ArmRow, x: float, y: float, pixel: tuple[float, float], label: tuple[float, float, str] | None
) -> dict[str, Any]:
    named, (label_x, label_y, align) = row.role in _NAMED, label or (*pixel, "")
    return {
        "name": row.name,
        "x": x,
        "y": y,
        "front": row.pareto,
        **look(row.role),
        **({"colour": MUTED} if row.pareto and not named else {}),
        "ink": INK if named or row.pareto else MUTED,
        "weight": "bold" if named else "normal",
        "at_x": pixel[0],
        "at_y": pixel[1],
        "label_x": label_x,
        "label_y": label_y,
        "align": align,
    }


def _bytes_axis(zero: float, top: float) -> alt.Axis:
    ticks = [zero] if zero != math.floor(zero) else []
    first = math.floor(zero + GAP) if ticks else int(zero)
    powers = list(range(first, math.floor(top) + 1))
    words = {float(zero): "0 B"} if ticks else {}
    words |= {float(power): size(10.0**power).replace(".0", "") for power in powers}
    chosen = " : ".join(f"abs(datum.value - {at}) < 0.01 ? '{text}'" for at, text in words.items()) + " : ''"
    return alt.Axis(
        title="Bytes per client, down and up, whole run (logarithmic)", values=list(words), labelExpr=chosen
    )


def _front(points: list[dict[str, Any]], x: Any, y: Any) -> Any:
    front = sorted((point for point in points if point["front"]), key=lambda point: point["x"])
    chart = alt.Chart(inline({"x": point["x"], "y": point["y"]} for point in front))
    return chart.mark_line(interpolate="step-after", strokeWidth=1.5, strokeDash=[4, 3]).encode(
        x=x, y=y, color=constant(FAINT)
    )


def _leaders(points: list[dict[str, Any]]) -> Any:
    """A hair from a point to a name that found no place close by."""
    far = [p for p in points if p["align"] not in ("center", "") and abs(p["label_y"] - p["at_y"]) > 8]
    return (
        alt.Chart(inline(far))
        .mark_rule(strokeWidth=0.8)
        .encode(
            x=alt.X("at_x:Q", scale=None), y=alt.Y("at_y:Q", scale=None), x2="label_x:Q", y2="label_y:Q",
            color=constant(FAINT),
        )
    )  # fmt: skip


def _marks(points: list[dict[str, Any]], x: Any, y: Any) -> Any:
    """The named arms are drawn last, on top."""
    return role_marks(alt.Chart(inline(reversed(points))), x=x, y=y, description=says())


def _names(points: list[dict[str, Any]]) -> list[Any]:
    """One layer per alignment and weight, the two things a text mark cannot read from data."""
    kinds = sorted({(point["align"], point["weight"]) for point in points if point["align"]})
    return [_layer([p for p in points if (p["align"], p["weight"]) == kind], *kind) for kind in kinds]


def _layer(points: list[dict[str, Any]], align: Any, weight: Any) -> Any:
    chart = alt.Chart(inline(points)).mark_text(align=align, baseline="middle", fontWeight=weight)
    return chart.encode(
        x=alt.X("label_x:Q", scale=None),
        y=alt.Y("label_y:Q", scale=None),
        text="name:N",
        color=alt.Color("ink:N", scale=None, legend=None),
    )
