"""Sizes and times as people write them."""

from __future__ import annotations

from collections.abc import Sequence

BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
"""Decimal, as data sheets and networks give them: 1 kB = 1000 bytes."""


def scaled(value: float, units: Sequence[str]) -> tuple[float, str]:
    """Return a number in the first of ``units``, each 1000 of the one before, that needs three digits at the most.

    >>> scaled(44_700_000, BYTES), scaled(999, BYTES)
    ((44.7, 'MB'), (999, 'B'))
    """
    *small, largest = units
    for unit in small:
        if value < 999.5:
            return value, unit
        value /= 1000
    return value, largest


def duration(seconds: float, digits: int = 1) -> str:
    """Write a time, at least 0.

    >>> duration(0.0042), duration(4.2), duration(150), duration(7300)
    ('4.2 ms', '4.2 s', '2.5 min', '2.0 h')
    >>> duration(42.3, digits=0), duration(1000, digits=0)
    ('42 s', '17 min')
    """
    if 0 < seconds < 0.05:
        return f"{1000 * seconds:.2g} ms"
    for limit, divisor, unit in ((90, 1, "s"), (5400, 60, "min")):
        if seconds < limit:
            return f"{seconds / divisor:.{digits}f} {unit}"
    return f"{seconds / 3600:.{digits}f} h"
