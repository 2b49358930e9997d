"""What a cell of the page says to a machine: numbers in plain units, one fact a column; tables go out by it as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.core.plain import finite
from headstart.report.script import harmless


def facts(values: Sequence[Any]) -> Any:
    r"""Return the attribute that carries a cell's facts, or in a table's head their names.

    >>> print(facts(["it's", 29512.0, None]).strip())
    data-csv='["it\u0027s",29512,null]'
    """
    from markupsafe import Markup

    said = harmless([_plain(value) for value in values]).replace("'", r"\u0027")
    return Markup(f" data-csv='{said}'")  # noqa: S704


def percent(value: Any) -> float | None:
    """Return a share in percent."""
    number = finite(value)
    return None if number is None else 100 * number


def _plain(value: Any) -> Any:
    """A number to eight digits that mean something, whole where it is; what is no number stays out."""
    if isinstance(value, str) or value is None:
        return value
    number = finite(value)
    if number is None:
        return None
    rounded = float(f"{number:.8g}")
    return int(rounded) if rounded.is_integer() else rounded
