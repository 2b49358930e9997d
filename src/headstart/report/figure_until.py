"""Until how many examples per client sharing pays: two learning curves, measured and foretold, and where they meet."""

from __future__ import annotations

from typing import Any

import altair as alt

from headstart.report.charts import colour, constant, finish, inline, says
from headstart.report.foretold import foreseeable, until_line
from headstart.report.palette import BASELINE, INK, LOCAL, MUTED
from headstart.report.run import Json, Run

_HEIGHT, _AXIS, _RIGHT = 240, 58, 14  # px
_LOOKS = {"own head": LOCAL, "shared head": BASELINE}


def until_figure(run: Run, width: int) -> Any:
    """A client's own head and the shared one: points measured, lines foretold, a band where they should meet."""
    found = run.diagnosis.get("curves") or {}
    if not found.get("fitted"):
        return None
    ends = [found["fitted"][at][0] for at in (0, -1)]
    x = alt.X(
        "n:Q",
        title="Training examples per client",
        scale=alt.Scale(type="log", domain=ends, nice=False),
        axis=alt.Axis(grid=False, tickCount=5, format="~s"),
    )
    y = alt.Y("error:Q", title="Squared error", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    layers = [*_meeting(found, ends, x), *_lines(found, x, y), _points(found, ends, x, y), _names(found, x, y)]
    described = until_line(found)
    return finish(alt.layer(*layers), width - _AXIS - _RIGHT, _HEIGHT, "Until when sharing pays", described)


def _meeting(found: Json, ends: list[float], x: Any) -> list[Any]:
    """The band in which the curves should meet, cut at the figure's edge, and where they do if that can be said."""
    low, high = (
        min(max(found[name] or edge, ends[0]), ends[1]) for name, edge in (("low", ends[1]), ("high", ends[1]))
    )
    band = (
        alt.Chart(inline([{"n": low, "to": high}]))
        .mark_rect(opacity=0.12)
        .encode(x=x, x2="to:Q", color=constant(MUTED))
    )
    if not foreseeable(found) or not found["until"] or not ends[0] <= found["until"] <= ends[1]:
        return [band]
    rule = alt.Chart(inline([{"n": found["until"]}])).mark_rule(strokeDash=[4, 3], strokeWidth=1.5)
    return [band, rule.encode(x=x, color=constant(INK))]


def _lines(found: Json, x: Any, y: Any) -> list[Any]:
    rows = [
        {"n": n, "error": error, "line": name, "colour": shade}
        for n, *errors in found["fitted"]
        for (name, shade), error in zip(_LOOKS.items(), errors, strict=True)
    ]
    return [alt.Chart(inline(rows)).mark_line(strokeWidth=2).encode(x=x, y=y, detail="line:N", color=colour())]


def _points(found: Json, ends: list[float], x: Any, y: Any) -> Any:
    rows = [
        {"n": n, "error": error, "colour": shade, "title": f"{key} head, {n:,} examples: squared error {error:.3f}"}
        for key, shade in (("own", LOCAL), ("shared", BASELINE))
        for n, error in found[key]
        if ends[0] <= n <= ends[1]
    ]
    return (
        alt.Chart(inline(rows))
        .mark_point(filled=True, opacity=1, size=55)
        .encode(x=x, y=y, color=colour(), description=says())
    )


def _names(found: Json, x: Any, y: Any) -> Any:
    """Each line's name a quarter of the way, above the upper line and below the lower one."""
    n, *errors = found["fitted"][len(found["fitted"]) // 4]
    upper = errors.index(max(errors))
    rows = [
        {"n": n, "error": error, "name": name, "colour": shade, "upper": at == upper}
        for at, ((name, shade), error) in enumerate(zip(_LOOKS.items(), errors, strict=True))
    ]
    return alt.layer(
        *[
            alt.Chart(inline([row]))
            .mark_text(
                align="left" if row["upper"] else "right", dx=8 if row["upper"] else -8, dy=-8 if row["upper"] else 12
            )
            .encode(x=x, y=y, text="name:N", color=colour())
            for row in rows
        ]
    )
