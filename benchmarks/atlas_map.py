"""The map of the atlas: which family wins, over examples per client, label skew and whether sites differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atlas_plans import ALPHAS, SIZES
from atlas_refit import NEAR, regret

Row = Mapping[str, Any]
COLOURS = {"fine-tune": "#d55e00", "federate": "#0072b2", "both": "#009e73", "no matter": "#b8b8b8"}
"""Okabe and Ito's, which colour-blind readers can tell apart."""
SHIFTS = {0.05: "a class looks alike at all clients", 0.25: "it differs", 9.0: "it differs much"}
"""Upper ends of the measured shift within classes, beyond what chance would show, and words for it."""
_ACROSS = 5
"""Federations of a cell side by side."""


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw one dot for each federation, in the colour of its best family."""
    import altair as alt

    skews = ["none" if alpha is None else f"{alpha:g}" for alpha in ALPHAS]
    scale = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    x = alt.X("x:Q", title="Training examples per client", scale=alt.Scale(domain=[-0.5, len(SIZES) - 0.5], nice=False))
    y = alt.Y("y:Q", title="Skew of labels (Dirichlet α)", scale=alt.Scale(domain=[-0.5, len(skews) - 0.5], nice=False))
    base = alt.Chart(alt.Data(values=points(rows))).encode(
        x=x.axis(values=list(range(len(SIZES))), labelExpr=_words([str(size) for size in SIZES]), grid=False),
        y=y.axis(values=list(range(len(skews))), labelExpr=_words(skews), grid=False),
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        color=alt.Color("best:N", title="Best on fresh data", scale=scale, sort=list(COLOURS)),
        shape=alt.Shape(
            "many:N", title="Clients", scale=alt.Scale(domain=["under 30", "30 or more"], range=["circle", "square"])
        ),
    )
    misses = base.mark_point(filled=False, size=150, color="black", strokeWidth=1.6).transform_filter("datum.missed")
    panes = alt.layer(dots, misses).properties(width=330, height=270)
    chart = panes.facet(column=alt.Column("shift:N", title=None, sort=list(SHIFTS.values())))
    words = (
        f"Grey: no family is better than another by more than {NEAR:g}. Ring: the prediction missed by more than that."
    )
    chart.properties(title=alt.Title("Who wins, where", subtitle=words, anchor="start")).configure(
        background="white"
    ).configure_view(stroke="#999").save(path, scale_factor=1.5)


def points(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return each federation's place, colour and marks; those of a cell lie side by side."""
    cells: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        cells[_shift(row), row["examples"], row["alpha"]].append(row)
    return [_point(row, at, len(cell)) for cell in cells.values() for at, row in enumerate(sorted(cell, key=_colour))]


def _point(row: Row, at: int, count: int) -> dict[str, Any]:
    down, across = divmod(at, _ACROSS)
    lines = -(-count // _ACROSS)
    return {
        "x": SIZES.index(row["examples"]) + 0.17 * (across - (min(count, _ACROSS) - 1) / 2),
        "y": ALPHAS.index(row["alpha"]) - 0.17 * (down - (lines - 1) / 2),
        "best": _colour(row),
        "many": "30 or more" if row["clients"] >= 30 else "under 30",
        "shift": _shift(row),
        "missed": regret(row, row["predicted"]["family"]) > NEAR + 1e-5,
    }


def _shift(row: Row) -> str:
    return next(words for most, words in SHIFTS.items() if row["shift"] <= most)


def _colour(row: Row) -> str:
    """Return the best family, or that none matters."""
    return "no matter" if max(regret(row, family) for family in row["fresh"]) <= NEAR else str(row["best"])


def _words(names: Sequence[str]) -> str:
    return f"{list(names)}[datum.value]"
