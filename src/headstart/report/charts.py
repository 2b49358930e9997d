"""Small pieces that every chart is made of: inline data, points, rules, labels that do not touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from headstart.report.palette import CONFIG, PAPER

Row = Mapping[str, Any]

GLYPH = 6.6  # mean width of a 12 px letter; generous, so that estimates err towards more room


def inline(rows: Iterable[Row]) -> alt.Data:
    """Rows as inline data; no pandas. Of a list, Altair copies all that is in it for every layer; a tuple it shares."""
    return alt.Data(values=tuple(dict(row) for row in rows))  # type: ignore[no-untyped-call]


# Encodings are objects, not dictionaries: Altair guesses what a dictionary means, which takes seconds.


def constant(colour: str) -> Any:
    """A fixed colour."""
    return alt.ColorValue(colour)


def colour() -> Any:
    """The colour that each row holds in its field ``colour``."""
    return alt.Color("colour:N", scale=None, legend=None)


def at(pixel: float) -> Any:
    """A fixed place across, in px."""
    return alt.XValue(pixel)  # type: ignore[no-untyped-call]


def says() -> Any:
    """What the row's mark stands for, in its field ``title``: said on hover and focus."""
    return alt.Description("title:N")


def role_marks(chart: Any, **channels: Any) -> Any:
    """Points whose rows hold their look (``palette.look``), ringed so that neighbours stay apart."""
    return chart.mark_point(filled=True, opacity=1, stroke=PAPER, strokeWidth=1.2).encode(
        color=colour(),
        shape=alt.Shape("shape:N", scale=None, legend=None),
        size=alt.Size("size:Q", scale=None, legend=None),
        **channels,
    )


def finish(chart: Any, width: int, height: int, title: str, description: str) -> Any:
    """Give a chart its size, its look, and the words a screen reader says."""
    sized = chart.properties(width=width, height=height, usermeta={"title": title, "description": description})
    return sized.configure(**CONFIG)


_MOST_TICKS = 1500  # of one figure; more are no finer on any screen


def ticks_of(values: NDArray[np.float64], lines: int) -> list[float]:
    """Values as ticks on one of so many lines: all of them, or evenly spaced quantiles of many, ends included.

    >>> len(ticks_of(np.arange(20_000.0), lines=15)), ticks_of(np.array([2.0, np.nan, 1.0]), lines=15)
    (100, [1.0, 2.0])
    """
    known = np.sort(values[np.isfinite(values)])
    most = max(21, _MOST_TICKS // max(1, lines))
    few = known if len(known) <= most else np.quantile(known, np.linspace(0, 1, most))
    return [float(value) for value in few]


def label_width(names: Iterable[str], width: int) -> float:
    """Room in px for the longest name, at most two fifths of the figure."""
    return min(max((len(name) for name in names), default=0) * GLYPH + 8, 0.4 * width)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label heights apart until each has ``gap``, in order, within [low, high] where they fit.

    >>> spread([10, 11, 40], gap=12, low=0, high=100)
    [4.5, 16.5, 40.0]
    """
    groups: list[list[int]] = []
    for at in sorted(range(len(wanted)), key=lambda at: wanted[at]):
        groups.append([at])
        while len(groups) > 1 and _touch(groups[-2:], wanted, gap, low, high):
            groups[-2:] = [groups[-2] + groups[-1]]
    placed = [0.0] * len(wanted)
    for members in groups:
        first = _centre(members, wanted, gap, low, high) - gap * (len(members) - 1) / 2
        for step, at in enumerate(members):
            placed[at] = first + gap * step
    return placed


def _touch(pair: list[list[int]], wanted: Sequence[float], gap: float, low: float, high: float) -> bool:
    upper, lower = (_centre(members, wanted, gap, low, high) for members in pair)
    return lower - upper < gap * (len(pair[0]) + len(pair[1])) / 2


def _centre(members: list[int], wanted: Sequence[float], gap: float, low: float, high: float) -> float:
    half = gap * (len(members) - 1) / 2
    mean = sum(wanted[at] for at in members) / len(members)
    return min(max(mean, low + half), max(high - half, low + half))


def place_labels(
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    width: float,
    height: float,
    obstacles: Sequence[tuple[float, ...]] = (),
    needed: int | None = None,
) -> list[tuple[float, float, str] | None]:
    """Choose a free place beside each point for its name: (x, y, align) in px; the first choose first.

    Names after the first ``needed`` are left out, None, where no place is free; None needs all.
    """
    taken: list[tuple[float, ...]] = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    taken += obstacles
    labels: list[tuple[float, float, str] | None] = []
    for (x, y), name in zip(points, names, strict=True):
        options = [(_box(option, name), option) for option in _candidates(x, y)]
        cost, best = min((_cost(box, taken, width, height), at) for at, (box, _) in enumerate(options))
        if cost and needed is not None and len(labels) >= needed:
            labels.append(None)
            continue
        box, option = options[best]
        taken.append(box)
        labels.append(option)
    return labels


def _candidates(x: float, y: float) -> list[tuple[float, float, str]]:
    near = [(x + 10, y, "left"), (x - 10, y, "right"), (x, y - 15, "center"), (x, y + 15, "center")]
    heights = (-14, 14, -28, 28, -42, 42)
    far = [(x + 9 * to, y + dy, side) for dy in heights for to, side in ((1, "left"), (-1, "right"))]
    return near + far


def _box(option: tuple[float, float, str], name: str) -> tuple[float, float, float, float]:
    x, y, align = option
    width = len(name) * GLYPH
    left = {"left": x, "right": x - width, "center": x - width / 2}[align]
    return left, y - 7, left + width, y + 7


def _cost(box: tuple[float, ...], taken: Sequence[tuple[float, ...]], width: float, height: float) -> float:
    hidden = sum(_overlap(box, other) for other in taken)
    outside = max(0, -box[0]) + max(0, box[2] - width) + max(0, -box[1]) + max(0, box[3] - height)
    return hidden + 40 * outside


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high)
