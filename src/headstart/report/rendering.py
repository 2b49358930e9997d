"""How templates become pages: every word from data is escaped, and shown without signs that are no letters."""

from __future__ import annotations

from typing import Any

from headstart.core.plain import finite
from headstart.core.visible import visible
from headstart.report import facts, script, units
from headstart.report.words import slug


def environment() -> Any:
    """Return what renders the templates of pages."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("headstart.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_readable,
    )
    environment.filters |= {"size": units.size, "operations": units.operations, "share": units.share}
    environment.filters |= {
        "duration": units.duration,
        "energy": units.energy,
        "slug": slug,
        "number": units.number,
        "finite": finite,
        "harmless": script.harmless,
        "csv": facts.facts,
        "percent": facts.percent,
    }
    return environment


def _readable(value: object) -> object:
    """Take what is no letter out of a name, such as a sign that turns the order of those that follow."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return "\n".join(map(visible, str(value).split("\n"))) if is_text else value
