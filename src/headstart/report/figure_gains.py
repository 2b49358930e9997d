"""What each client gains with another family than the answer's: a mark and its interval."""

from __future__ import annotations

from typing import Any

import altair as alt

from headstart.report.charts import constant, finish, inline, label_width, says
from headstart.report.figure_arms import FEW_TICKS, name_axis
from headstart.report.gains import Gain, gains_of
from headstart.report.palette import BASELINE, HURT, INK, LOCAL, MUTED, PAPER, RECOMMENDED
from headstart.report.run import Run

_ROW = 22  # px for each client and family
_COLOURS = {"fine-tune": LOCAL, "federate": BASELINE, "both": RECOMMENDED}


def gains_figure(run: Run, width: int) -> Any:
    """Each client and other family one line: the gain in points of accuracy, full where it is sure."""
    found = gains_of(run.verdict)
    if found is None or not found.shown:
        return None
    rows = [_row(one) for one in found.shown]
    names = [row["name"] for row in rows]
    left = label_width(names, width)
    x = alt.X("value:Q", title="Gain, points of accuracy", scale=alt.Scale(nice=False, padding=8), axis=FEW_TICKS)
    base = alt.Chart(inline(rows)).encode(y=name_axis(names, left))
    layers = alt.layer(
        alt.Chart(inline([{"value": 0}])).mark_rule(strokeWidth=1).encode(x=x, color=constant(MUTED)),
        _intervals(base),
        base.mark_point(filled=True, opacity=1, size=75, strokeWidth=1.6).encode(
            x=x, fill=alt.Fill("fill:N", scale=None, legend=None), stroke=_stroke(), description=says()
        ),
    )
    described = "; ".join(f"{row['name']} {row['written']}" for row in rows)
    return finish(layers, int(width - left), _ROW * len(rows), "Gain of each client with another family", described)


def _intervals(base: Any) -> Any:
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2.5, strokeCap="round", opacity=0.5)
    return bars.encode(x="low:Q", x2="high:Q", color=alt.Color("colour:N", scale=None, legend=None))


def _stroke() -> Any:
    return alt.Stroke("colour:N", scale=None, legend=None)


def _row(one: Gain) -> dict[str, Any]:
    colour = _COLOURS.get(one.family, INK) if one.gain >= 0 or not one.sure else HURT
    low, high = (None if end is None else 100 * end for end in (one.low, one.high))
    numbers = {"value": 100 * one.gain, "low": low, "high": high}
    looks = {"colour": colour, "fill": colour if one.sure else PAPER, "written": one.written}
    name, sure = f"{one.client} {one.instead}", ", surely" if one.sure else ""
    title = f"{name}: {one.written}{f' ({one.interval})' if one.interval else ''}{sure}"
    return {"name": name, "title": title, **numbers, **looks}
