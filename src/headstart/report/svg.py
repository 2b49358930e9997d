"""Charts as SVG and PNG, without a browser."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from headstart.core.errors import SettingError, nearest
from headstart.core.files import write_atomically, write_text
from headstart.core.visible import visible
from headstart.report.figures import figures
from headstart.report.palette import VARIABLES
from headstart.report.run import Run

_LONGEST = 1000
"""Signs of a name in a figure; the time to draw a line is the square of them, or worse."""

_TWO_UNITS = re.compile("[\U00010000-\U0010ffff]")
"""Signs such as emoji, which the drawing ends at where it cuts a label in the middle of one."""

FORMATS = ("png", "svg")


def save_figures(run: Run, out: str | Path, format: str = "png") -> list[Path]:  # noqa: A002
    """Save every figure of a run to a folder, in light colours.

    Args:
        run: What ``load_run`` read.
        out: The folder; made if it is missing.
        format: ``"png"`` (two pixels per point, on white) or ``"svg"``.

    Raises:
        SettingError: The format is neither.
    """
    if format not in FORMATS:
        raise SettingError(f"figure format '{format}' is unknown: {nearest(format, FORMATS)}")
    return [_save(chart, Path(out) / f"{name}.{format}") for name, chart in figures(run).items()]


def _svg(chart: Any) -> str:
    """Render a chart to SVG, in literal colours."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(_specification(chart)))


def _specification(chart: Any) -> Any:
    """Say a chart in Vega-Lite; signs of control in a name would end the process that draws it."""
    # Altair's check of the whole chart costs seconds per page; the tests make it once.
    return _visible(chart.to_dict(validate=False))


def _visible(value: Any) -> Any:
    if isinstance(value, dict):
        return {_visible(key): _visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item) for item in value]
    if not isinstance(value, str):
        return value
    text = _TWO_UNITS.sub("\N{WHITE SQUARE}", visible(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} signs)"


def inline_svg(chart: Any, name: str, clip: str = "") -> str:
    """Render a chart for the page: scales with its column, follows light and dark, speaks its title.

    Args:
        chart: The chart, made by ``figures``.
        name: Unique on the page; prefixes the ids of title and description.
        clip: Unique on the page; prefixes the ids of clip paths, which every chart counts from zero.
    """
    text = re.sub(r"<svg [^>]*viewBox=\"([^\"]*)\"[^>]*>", _opening(chart, name), _svg(chart), count=1)
    text = _NAMED.sub(r' data-t="\1"', text)
    text = re.sub(r' (pointer-events="none"|aria-[a-z]+="[^"]*"|role="graphics-[a-z]+")', "", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(f'"{colour}"', f'"var({variable})"')
    return _lighter(_rounded(re.sub(r"\bclip(\d+)\b", rf"clip{clip}-\1", text)))


_NAMED = re.compile(r' aria-label="([^"]+)" role="graphics-symbol"')
"""What a mark says of itself; the page's script shows it."""


def _opening(chart: Any, name: str) -> str:
    said = chart.usermeta
    title, description = (html.escape(visible(str(said[key]))).replace("\\", "") for key in ("title", "description"))
    return (
        rf'<svg viewBox="\1" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>'
    )


def _rounded(text: str) -> str:
    """Two decimals are finer than any screen."""
    return re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", text)


_IDLE = re.compile(
    r' opacity="1"| font-family="[^"]*"|<path class="(?:back|fore)ground" d="[^"]*"(?: display="none")?/>'
)
"""What changes nothing on a page: it has its own font."""
_GROUP = re.compile(
    r"(<g class=\"mark-(?:rect|symbol|rule|text)[^>]*)>((?:<(?:path|line|text)[^<>]*(?:/>|>[^<>]*</text>))+)</g>"
)
_TAG = re.compile(r"<(?:path|line|text)[^<>]*>")
_INHERITED = re.compile(r' (?:fill|stroke|stroke-width|fill-opacity|font-size|font-weight|text-anchor)="[^"]*"')


def _lighter(text: str) -> str:
    """Say once, at the group, what all of its marks say."""
    return _GROUP.sub(lambda found: _hoisted(found[1], found[2]), _IDLE.sub("", text))


def _hoisted(group: str, marks: str) -> str:
    tags = _TAG.findall(marks)
    if not any(' stroke="' in tag for tag in tags):
        # Without a stroke it is the same, and inherited.
        marks = _TAG.sub(lambda tag: tag[0].replace(' opacity="', ' fill-opacity="'), marks)
        tags = _TAG.findall(marks)
    common = [one for one in dict.fromkeys(_INHERITED.findall(tags[0])) if all(one in tag for tag in tags)]
    marks = _TAG.sub(lambda tag: _INHERITED.sub(lambda own: "" if own[0] in common else own[0], tag[0]), marks)
    return f"{group}{''.join(common)}>{marks}</g>"


def _save(chart: Any, path: Path) -> Path:
    if path.suffix == ".svg":
        write_text(path, _svg(chart))
        return path
    import vl_convert

    specification = _specification(chart)
    specification["config"]["background"] = "white"
    picture = vl_convert.vegalite_to_png(specification, scale=2)
    write_atomically(path, lambda temporary: _write_bytes(temporary, picture))
    return path


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
