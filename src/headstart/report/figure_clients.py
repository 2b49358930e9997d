"""Every client: its score under each arm, and what each arm changes for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from headstart.evidence.scores import Scores
from headstart.report.charts import at, colour, constant, finish, inline, label_width, role_marks, says, ticks_of
from headstart.report.figure_arms import FEW_TICKS, name_axis
from headstart.report.palette import FAINT, GRID, HURT, INK, MUTED, PAPER, look
from headstart.report.run import Run
from headstart.report.summary import arm_rows, client_means, differences, local_arm, recommended
from headstart.report.units import Metric

MOST_CLIENTS = 60  # more than these are shown as a distribution
ROW, ARM_ROW = 19, 28  # px
_PHONE = 500  # px


def clients_figure(run: Run, width: int) -> Any:
    """Each client one line with its arms as marks; above 60 clients, each arm's distribution instead."""
    scores = run.scores()
    if not scores.clients or np.isnan(scores.values).all():
        return None
    draw = _dots if len(scores.clients) <= MOST_CLIENTS else _distribution
    return draw(run, scores, width)


def differences_figure(run: Run, width: int) -> Any:
    """Each arm one line: every client's paired difference from the baseline, and their mean."""
    metric, paired = Metric(run.measure), differences(run)
    order = [row.name for row in arm_rows(run) if row.name in paired and np.isfinite(paired[row.name]).any()]
    if not order:
        return None
    left, right = label_width(order, width), 74
    clients = run.scores().decisive().clients
    dots = [row for arm in order for row in _difference_dots(arm, paired[arm], metric, clients, len(order))]
    means = [_difference_mean(arm, paired[arm], metric) for arm in order]
    scale = alt.Scale(nice=False, padding=8)
    x = alt.X("value:Q", title=_difference_title(run, metric), scale=scale, axis=FEW_TICKS)
    y = name_axis(order, left)
    layers = alt.layer(
        alt.Chart(inline([{"value": 0}])).mark_rule(strokeWidth=1).encode(x=x, color=constant(MUTED)),
        alt.Chart(inline(dots))
        .mark_tick(thickness=2, height=12, opacity=0.6)
        .encode(x=x, y=y, color=colour(), **_said(width)),
        *_mean_marks(alt.Chart(inline(means)), x, y, width - left - right),
    )
    described = "; ".join(f"{row['name']} {row['written']}, {row['better']}" for row in means)
    return finish(layers, int(width - left - right), ARM_ROW * len(order), f"Difference from {run.baseline}", described)


def _mean_marks(means: Any, x: alt.X, y: alt.Y, end: float) -> list[Any]:
    """A diamond at each mean, and beside the figure how many clients gain."""
    diamonds = means.mark_point(filled=True, shape="diamond", size=110, opacity=1, stroke=PAPER, strokeWidth=1.2)
    words = means.mark_text(align="left")
    return [
        diamonds.encode(x=x, y=y, color=constant(INK), description=says()),
        words.encode(x=at(end + 12), y=y, text="better:N", color=constant(MUTED)),
    ]


def _dots(run: Run, scores: Scores, width: int) -> Any:
    metric, means = Metric(run.measure), client_means(scores)
    order, labels = _client_order(run, scores, means)
    roles = _client_roles(run, scores)
    marks = [
        {
            "name": labels[c],
            "value": means[arm][c] * metric.factor,
            "role": role,
            **look(role),
            "title": f"{labels[c]}, {arm}: {metric.value(means[arm][c])}",
        }
        for arm, role in roles.items()
        for c in order
        if np.isfinite(means[arm][c])
    ]
    names = [labels[c] for c in order]
    left = label_width(names, width)
    y, x = (
        name_axis(names, left),
        alt.X("value:Q", title=metric.title, scale=alt.Scale(zero=False, nice=False, padding=8), axis=FEW_TICKS),
    )
    others = inline(mark for mark in marks if not mark["role"])
    named = inline(sorted((mark for mark in marks if mark["role"]), key=lambda mark: mark["role"] == "recommended"))
    lines, said = inline(_spans(marks)), _said(width)
    layers = alt.layer(
        alt.Chart(lines).mark_rule(strokeWidth=1).encode(x="low:Q", x2="high:Q", y=y, color=constant(GRID)),
        alt.Chart(others)
        .mark_tick(thickness=1.5, height=9, opacity=0.75)
        .encode(x=x, y=y, color=constant(FAINT), **said),
        role_marks(alt.Chart(named), x=x, y=y, **said),
    )
    described = f"{len(names)} clients, one line each, with a mark for every arm."
    return finish(layers, int(width - left), ROW * len(names), f"Every client's {metric.label}", described)


def _said(width: int) -> dict[str, Any]:
    """What marks say of themselves where there is room to point at one: not on a phone, for they are many."""
    return {"description": says()} if width > _PHONE else {}


def _client_order(run: Run, scores: Scores, means: dict[str, NDArray[np.float64]]) -> tuple[list[int], list[str]]:
    """Clients by their score under the recommended arm, best first; held-out clients say so."""
    lead = means.get(str(recommended(run)), next(iter(means.values())))
    key = np.where(np.isnan(lead), -np.inf, lead * Metric(run.measure).sign)
    labels = [name if seen else f"{name} (held out)" for name, seen in zip(scores.clients, scores.seen, strict=True)]
    return [int(at) for at in np.argsort(-key, kind="stable")], labels


def _client_roles(run: Run, scores: Scores) -> dict[str, str]:
    named = {run.baseline: "baseline", local_arm(run): "local", recommended(run): "recommended"}
    return {arm: named.get(arm, "") for arm in scores.arms}


def _spans(marks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_name: dict[str, list[float]] = {}
    for mark in marks:
        by_name.setdefault(mark["name"], []).append(mark["value"])
    return [{"name": name, "low": min(values), "high": max(values)} for name, values in by_name.items()]


def _distribution(run: Run, scores: Scores, width: int) -> Any:
    metric, means = Metric(run.measure), client_means(scores)
    order = [row.name for row in arm_rows(run) if row.name in means and np.isfinite(means[row.name]).any()]
    roles = {row.name: row.role for row in arm_rows(run)}
    left = label_width(order, width)
    rows = inline(
        {
            "name": arm,
            **_quantiles(means[arm] * metric.factor),
            **look(roles[arm]),
            "title": _median(arm, means[arm], metric),
        }
        for arm in order
    )
    base = alt.Chart(rows).encode(y=name_axis(order, left))
    x = alt.X("q50:Q", title=metric.title, scale=alt.Scale(zero=False, nice=False, padding=8), axis=FEW_TICKS)
    ticks = inline(
        {"name": arm, "q50": value} for arm in order for value in ticks_of(means[arm] * metric.factor, len(order))
    )
    layers = alt.layer(
        alt.Chart(ticks)
        .mark_tick(thickness=1, height=16, opacity=0.18)
        .encode(x=x, y=name_axis(order, left), color=constant(MUTED)),
        base.mark_rule(strokeWidth=1.5).encode(x="q10:Q", x2="q90:Q", color=colour()),
        base.mark_rule(strokeWidth=6, opacity=0.55).encode(x="q25:Q", x2="q75:Q", color=colour()),
        role_marks(base, x=x, description=says()),
    )
    described = f"The distribution of {metric.label} over {len(scores.clients)} clients for each arm."
    return finish(layers, int(width - left), ARM_ROW * len(order), f"Clients by arm, {metric.label}", described)


def _median(arm: str, values: NDArray[np.float64], metric: Metric) -> str:
    low, middle, high = np.nanquantile(values, (0.1, 0.5, 0.9))
    return f"{arm}: median {metric.value(middle)}, middle 80% {metric.span(low, high)}"


def _quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    return {f"q{q}": float(np.nanquantile(values, q / 100)) for q in (10, 25, 50, 75, 90)}


def _difference_dots(
    arm: str, values: NDArray[np.float64], metric: Metric, clients: Sequence[str], arms: int
) -> list[dict[str, Any]]:
    """A tick for each client with its name, or for quantiles of many."""
    known, dots = np.flatnonzero(np.isfinite(values)), ticks_of(values, arms)
    names = [clients[at] for at in known[np.argsort(values[known], kind="stable")]] if len(known) == len(dots) else []
    titles = [f"{name}, {arm}: {metric.change(dot)}" for name, dot in zip(names, dots, strict=True)] if names else []
    return [
        {"name": arm, "value": dot * metric.factor, "colour": HURT if dot < 0 else MUTED, "title": title}
        for dot, title in zip(dots, titles or [""] * len(dots), strict=True)
    ]


def _difference_mean(arm: str, values: NDArray[np.float64], metric: Metric) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    better = int((known > 0).sum())
    written = metric.change(float(known.mean()))
    return {
        "name": arm,
        "value": float(known.mean()) * metric.factor,
        "written": written,
        "better": f"{better} of {len(known)}",
        "title": f"{arm}: {written}, {better} of {len(known)} clients better",
    }


def _difference_title(run: Run, metric: Metric) -> str:
    unit = ", percentage points" if metric.is_share else f" in {metric.label}"
    return f"Difference from {run.baseline}{unit}" + (" (positive is better)" if metric.sign < 0 else "")
