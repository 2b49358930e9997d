"""Colours and the look of charts.

A chart is drawn in literal colours, right for print and for a PNG. On the page each literal becomes the CSS
variable of the same name, so one SVG serves light and dark. The hues follow Okabe and Ito (2008, "Color
Universal Design"), darkened until they reach 4.5:1 on white; roles differ by shape as well as by hue.
"""

from __future__ import annotations

from typing import Any

INK = "#1c2024"
MUTED = "#5d666f"
FAINT = "#9aa3ab"
GRID = "#e4e7ea"
PAPER = "#fefefe"
RECOMMENDED = "#0a63ad"
BASELINE = "#b4530a"
LOCAL = "#0b7a5e"
HURT = "#a8325a"

# For lines without a role, told apart by their direct labels and dashes too.
OTHERS = ("#8b4a93", "#6f6a00", "#37758f", "#8a5a3c", "#5b5fb5", "#5d666f")

VARIABLES: dict[str, str] = {
    INK: "--ink",
    MUTED: "--muted",
    FAINT: "--faint",
    GRID: "--grid",
    PAPER: "--paper",
    RECOMMENDED: "--recommended",
    BASELINE: "--baseline",
    LOCAL: "--local",
    HURT: "--hurt",
    **{colour: f"--other-{at}" for at, colour in enumerate(OTHERS[:-1])},
}

ROLE_COLOUR = {
    "recommended": RECOMMENDED,
    "baseline": BASELINE,
    "local": LOCAL,
    "reference": FAINT,
    "dropped": FAINT,
    "incomplete": FAINT,
    "failed": FAINT,
    "": FAINT,
}
ROLE_SHAPE = {
    "recommended": "circle",
    "baseline": "diamond",
    "local": "triangle-up",
    "reference": "square",
    "dropped": "circle",
    "incomplete": "circle",
    "failed": "circle",
    "": "circle",
}

# Angular shapes look smaller than a disc of the same area.
_SIZES = {"recommended": 80, "baseline": 110, "local": 85}


def look(role: str) -> dict[str, str | int]:
    """How a role's mark looks: colour, shape, size in square px."""
    return {"colour": ROLE_COLOUR[role], "shape": ROLE_SHAPE[role], "size": _SIZES.get(role, 70)}


FONT = "Helvetica, Arial, Liberation Sans, sans-serif"

_AXIS = {
    "labelFont": FONT,
    "titleFont": FONT,
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "labelColor": MUTED,
    "titleColor": MUTED,
    "gridColor": GRID,
    "domain": False,
    "ticks": False,
    "labelPadding": 6,
    "titlePadding": 10,
    "labelFlush": False,
}

CONFIG: dict[str, Any] = {
    "aria": False,
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": _AXIS,
    "text": {"font": FONT, "fontSize": 12, "fill": INK},
}
