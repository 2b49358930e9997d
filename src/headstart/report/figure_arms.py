"""The arms, best first: mean over clients with its interval, and the worst decile."""

from __future__ import annotations

from typing import Any

import altair as alt

from headstart.report.charts import constant, finish, inline, label_width, literal
from headstart.report.palette import FAINT, INK, MUTED, PAPER, ROLE_COLOUR, ROLE_SHAPE
from headstart.report.run import Run
from headstart.report.summary import ArmRow, arm_rows
from headstart.report.units import Metric

ROW = 26  # px per arm
FEW_TICKS = alt.Axis(tickCount=6)


def arms_figure(run: Run, width: int) -> Any:
    """Each arm one line: a mark at the mean, a bar for its interval, a tick at the worst decile."""
    metric = Metric(run.metric)
    rows = [row for row in arm_rows(run) if row.mean is not None]
    if not rows:
        return None
    names = [row.name for row in rows]
    data = inline(_row(row, metric) for row in rows)
    left = label_width(names)
    base = alt.Chart(data).encode(y=name_axis(names, left))
    x = alt.X("mean:Q", title=metric.title, scale=_domain(rows, metric), axis=FEW_TICKS)
    layers = alt.layer(
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=3, strokeCap="round", opacity=0.45)
        .encode(x="low:Q", x2="high:Q", color=literal("colour")),
        base.transform_filter("isValid(datum.worst)")
        .mark_tick(thickness=1.5, height=9)
        .encode(x="worst:Q", color=constant(MUTED)),
        base.mark_point(filled=True, size=80, opacity=1, stroke=PAPER, strokeWidth=1.5).encode(
            x=x, color=literal("colour"), shape=literal("shape")
        ),
        base.mark_text(align="right", fontSize=12, fontWeight="bold").encode(
            x=alt.value(width - left - 4), text="written:N", color=constant(INK)
        ),
    )
    description = "; ".join(f"{row.name} {metric.value(row.mean)}" for row in rows)
    return finish(layers, int(width - left), ROW * len(rows), f"Arms by {metric.label}", description)


def name_axis(names: list[str], left: float) -> Any:
    """Arm or client names down the left side, in the order given."""
    axis = alt.Axis(title=None, labelLimit=int(left), labelColor=INK, grid=False, minExtent=left, maxExtent=left)
    return alt.Y("name:N", sort=names, axis=axis, scale=alt.Scale(domain=names))


def _row(row: ArmRow, metric: Metric) -> dict[str, Any]:
    scaled = {key: _scaled(getattr(row, key), metric) for key in ("mean", "low", "high")}
    colour = ROLE_COLOUR[row.role] if row.role != "" else FAINT
    return {
        "name": row.name,
        **scaled,
        "worst": _scaled(row.worst_decile, metric),
        "colour": colour,
        "shape": ROLE_SHAPE[row.role],
        "written": metric.value(row.mean).rstrip("%"),
    }


def _scaled(x: float | None, metric: Metric) -> float | None:
    return None if x is None else x * metric.factor


def _domain(rows: list[ArmRow], metric: Metric) -> alt.Scale:
    """From a little below the lowest value to a little above the highest, with room for the number at the end."""
    values = [v * metric.factor for row in rows for v in (row.mean, row.low, row.high, row.worst_decile) if v is not None]
    low, high = min(values), max(values)
    room = max(high - low, 0.02 * metric.factor)
    return alt.Scale(domain=[low - 0.05 * room, high + 0.16 * room], zero=False, nice=False)
