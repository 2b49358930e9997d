"""Heads of each client on the data of each: the darker, the better a head fits."""

from __future__ import annotations

from typing import Any

import altair as alt

from headstart.report.charts import constant, finish, inline, label_width
from headstart.report.company import company_lines
from headstart.report.palette import LOCAL
from headstart.report.run import Run

_HIGHEST, _AXIS = 520, 60  # px


def company_figure(run: Run, width: int) -> Any:
    """Whose head by line, whose data by column; clients of a group beside each other."""
    found = run.diagnosis.get("company") or {}
    names, cells = list(found.get("rows") or ()), _cells(found)
    if len(names) < 2 or not cells:
        return None
    left = label_width(names, width)
    side = min((width - left) / len(names), _HIGHEST / len(names))
    axis = alt.Axis(labelLimit=left, ticks=False, domain=False)
    across = alt.Axis(labelLimit=_AXIS, labelAngle=-90, orient="top", ticks=False, domain=False)
    least, most = (pick(cell["error"] for cell in cells) for pick in (min, max))
    chart = (
        alt.Chart(inline(cells))
        .mark_rect()
        .encode(
            x=alt.X("data:N", sort=names, title="Data of", axis=across),
            y=alt.Y("head:N", sort=names, title=None, axis=axis),
            color=constant(LOCAL),
            opacity=alt.Opacity(
                "error:Q", scale=alt.Scale(domain=[least, max(most, least + 1e-9)], range=[1.0, 0.06]), legend=None
            ),
        )
    )
    described = f"Squared error from {least:.2f} (dark) to {most:.2f} (light); {'; '.join(company_lines(found))}."
    size = int(side * len(names))
    return finish(chart, size, size, "Heads of each on the data of each", described)


def _cells(found: Any) -> list[dict[str, Any]]:
    names = found.get("rows") or ()
    return [
        {"head": head, "data": data, "error": error}
        for head, row in zip(names, found.get("matrix") or (), strict=False)
        for data, error in zip(names, row, strict=False)
        if error is not None
    ]
