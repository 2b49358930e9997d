"""The arms, best first: mean over clients with its interval, and the worst decile."""

from __future__ import annotations

from typing import Any

import altair as alt

from headstart.report.charts import at, colour, constant, finish, inline, label_width, role_marks, says
from headstart.report.palette import INK, MUTED, look
from headstart.report.run import Run
from headstart.report.summary import ArmRow, arm_rows
from headstart.report.units import Metric

ROW, NUMBER = 26, 44  # px per arm, and for the number at its end
FEW_TICKS = alt.Axis(tickCount=6)


def arms_figure(run: Run, width: int) -> Any:
    """Each arm one line: a mark at the mean, a bar for its interval, a tick at the worst decile."""
    metric = Metric(run.measure)
    rows = [row for row in arm_rows(run) if row.mean is not None]
    if not rows:
        return None
    names = [row.name for row in rows]
    left = label_width(names, width)
    inner = int(width - left - NUMBER)
    base = alt.Chart(inline(_row(row, metric) for row in rows)).encode(y=name_axis(names, left))
    x = alt.X("mean:Q", title=metric.title, scale=_domain(rows, metric), axis=FEW_TICKS)
    written = base.mark_text(align="right", fontWeight="bold").encode(x=at(inner + NUMBER), text="written:N")
    layers = alt.layer(*_ranges(base), role_marks(base, x=x, description=says()), written)
    description = "; ".join(f"{row.name} {metric.value(row.mean)}" for row in rows)
    return finish(layers, inner, ROW * len(rows), f"Arms by {metric.label}", description)


def _ranges(base: Any) -> list[Any]:
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, strokeCap="round", opacity=0.45)
    ticks = base.transform_filter("isValid(datum.worst)").mark_tick(thickness=1.5, height=9)
    return [
        bars.encode(x="low:Q", x2="high:Q", color=colour()),
        ticks.encode(x="worst:Q", color=constant(MUTED)),
    ]


def name_axis(names: list[str], left: float) -> Any:
    """Arm or client names down the left side, in the order given."""
    axis = alt.Axis(title=None, labelLimit=int(left), labelColor=INK, grid=False, minExtent=left, maxExtent=left)
    return alt.Y("name:N", sort=names, axis=axis, scale=alt.Scale(domain=names))


def _row(row: ArmRow, metric: Metric) -> dict[str, Any]:
    scaled = {key: _scaled(getattr(row, key), metric) for key in ("mean", "low", "high")}
    return {
        "name": row.name,
        **scaled,
        "worst": _scaled(row.worst_decile, metric),
        **look(row.role),
        "written": metric.value(row.mean).rstrip("%"),
        "title": _title(row, metric),
    }


def _title(row: ArmRow, metric: Metric) -> str:
    span = f" ({metric.span(row.low, row.high)})" if row.low is not None else ""
    worst = f", worst decile {metric.value(row.worst_decile)}" if row.worst_decile is not None else ""
    return f"{row.name}: {metric.value(row.mean)}{span}{worst}"


def _scaled(x: float | None, metric: Metric) -> float | None:
    return None if x is None else x * metric.factor


def _domain(rows: list[ArmRow], metric: Metric) -> alt.Scale:
    """From a little below the lowest value to a little above the highest."""
    shown = (v for row in rows for v in (row.mean, row.low, row.high, row.worst_decile) if v is not None)
    values = [value * metric.factor for value in shown]
    room = 0.04 * max(max(values) - min(values), 0.02 * metric.factor)
    return alt.Scale(domain=[min(values) - room, max(values) + room], zero=False, nice=False)
