"""Who wins at which epsilon: each family's score against what single examples are promised."""

from __future__ import annotations

from typing import Any

import altair as alt

from headstart.evidence.answer_words import DOING
from headstart.evidence.by_epsilon import turning_words
from headstart.report.charts import colour, finish, inline
from headstart.report.palette import BASELINE, LOCAL, RECOMMENDED
from headstart.report.run import Json, Run
from headstart.report.units import Metric

_HEIGHT, _AXIS, _RIGHT, _APART = 260, 58, 130, 7  # px
_LOOKS = {"fine-tune": LOCAL, "federate": BASELINE, "both": RECOMMENDED}


def privacy_figure(run: Run, width: int) -> Any:
    """A line for each family, with the intervals of its arms; the last place is without noise on examples."""
    levels = run.verdict.get("by_epsilon") or []
    rows = _rows(levels, Metric(run.measure))
    if not rows:
        return None
    order = [_name(level) for level in levels]
    x = alt.X(
        "epsilon:N",
        title="Epsilon for each single example",
        sort=order,
        scale=alt.Scale(type="point", padding=0.5),
        axis=alt.Axis(labelAngle=0, grid=False),
    )
    y = alt.Y("mean:Q", title=Metric(run.measure).inner_title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    offset = alt.XOffset("place:Q", scale=alt.Scale(domain=[-1, 1], range=[-_APART, _APART]))
    base = alt.Chart(inline(rows)).encode(x=x, xOffset=offset, color=colour())
    layers = [
        base.mark_line(strokeWidth=2, opacity=0.7).encode(y=y, detail="family:N"),
        base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(filled=True, opacity=1, size=55).encode(y=y),
        _names(rows, order, x, y),
    ]
    described = turning_words(levels)
    return finish(alt.layer(*layers), width - _AXIS - _RIGHT, _HEIGHT, "Who wins at which epsilon", described)


def _rows(levels: list[Json], metric: Metric) -> list[dict[str, Any]]:
    """Return a row for each level and family; ends that nothing is claimed of are where the mean is."""
    rows = []
    for level in levels:
        for family, one in level["families"].items():
            ends = {end: metric.factor * (one["mean"] if one[end] is None else one[end]) for end in ("low", "high")}
            rows.append(
                {
                    "epsilon": _name(level),
                    "family": family,
                    "mean": metric.factor * one["mean"],
                    **ends,
                    "colour": _LOOKS[family],
                    "place": [*_LOOKS].index(family) - 1,
                }
            )
    return rows


def _names(rows: list[dict[str, Any]], order: list[str], x: Any, y: Any) -> Any:
    """Name the families beside their last points."""
    last = {row["family"]: row for row in rows if row["epsilon"] == order[-1]}
    named = [{**row, "name": DOING[family]} for family, row in last.items()]
    text = alt.Chart(inline(named)).mark_text(align="left", dx=16)
    return text.encode(x=x, y=y, text="name:N", color=colour())


def _name(level: Json) -> str:
    return "no noise" if level["epsilon"] is None else f"{level['epsilon']:g}"
