"""Values as JSON can say them: None for what is missing, NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any


def finite(x: Any) -> float | None:
    """Return the number, or None where it is missing, NaN or infinite.

    >>> finite(2), finite(float("nan")), finite("many")
    (2.0, None, None)
    """
    if isinstance(x, bool) or not isinstance(x, Real) or not math.isfinite(x):
        return None
    return float(x)


def plain(value: Any) -> Any:
    """Return mappings with names for keys, lists for tuples, and None for a float that is not finite.

    >>> plain({"interval": (0.1, float("inf")), 3: "as it was"})
    {'interval': [0.1, None], '3': 'as it was'}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return finite(value) if isinstance(value, float) else value


def by_value(table: Mapping[str, str]) -> dict[str, list[str]]:
    """Gather the names that a table says the same of.

    >>> by_value({"a": "no pool", "b": "too large", "c": "no pool"})
    {'no pool': ['a', 'c'], 'too large': ['b']}
    """
    found: dict[str, list[str]] = {}
    for name, value in table.items():
        found.setdefault(value, []).append(name)
    return found
