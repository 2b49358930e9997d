"""How numbers are written: sensible units, few digits, a dash where nothing was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.core import units
from headstart.core.plain import finite
from headstart.evidence.metrics import Measure, measure

DASH = "\N{EN DASH}"
MISSING = DASH
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Metric:
    """A metric and how to write it: shares in percent, their differences in percentage points."""

    of: Measure | str

    @property
    def measure(self) -> Measure:
        """What it means."""
        return measure(self.of)

    @property
    def label(self) -> str:
        """Its name in plain words."""
        return self.measure.words

    @property
    def is_share(self) -> bool:
        """Whether it lies in [0, 1] and reads best in percent."""
        return self.measure.is_share

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return int(self.measure.sign)

    @property
    def factor(self) -> float:
        """From the stored value to the written one."""
        return 100.0 if self.is_share else 1.0

    @property
    def unit(self) -> str:
        """The unit of a difference; every difference is written so that positive is better."""
        return "pp" if self.is_share else self.measure.unit

    @property
    def title(self) -> str:
        """Its name with its unit, as an axis says it."""
        return self.inner_title[:1].upper() + self.inner_title[1:]

    @property
    def heading(self) -> str:
        """Its name above values that say their percent themselves, with another unit where it has one."""
        unit = "" if self.is_share or not self.measure.unit else f", {self.measure.unit}"
        return self.label[:1].upper() + self.label[1:] + unit

    @property
    def inner_title(self) -> str:
        """The same within a title."""
        unit = "%" if self.is_share else self.measure.unit
        return self.label + (f", {unit}" if unit else "")

    def plain(self, x: Any) -> float | None:
        """A value as a number, in percent where it is a share."""
        number = finite(x)
        return None if number is None else self.factor * number

    @property
    def plain_unit(self) -> str:
        """What follows a column's name whose values are plain numbers."""
        unit = "%" if self.is_share else self.measure.unit
        return f", {unit}" if unit else ""

    def value(self, x: Any) -> str:
        """Write a value.

        >>> Metric("accuracy").value(0.8125), Metric("log_loss").value(0.4)
        ('81.2%', '0.400')
        """
        number = finite(x)
        if number is None:
            return MISSING
        return self.measure.written(number)

    def change(self, x: Any, *, unit: bool = True) -> str:
        """Write a difference, always with its sign.

        >>> Metric("accuracy").change(0.0213).split(), Metric("log_loss").change(0.05).split()
        (['+2.1', 'pp'], ['+0.050', 'nats'])
        """
        number = finite(x)
        if number is None:
            return MISSING
        text = self.measure.number(number)
        text = text.lstrip("-") if float(text) == 0 else text if number < 0 else f"+{text}"  # rounded away: no sign
        return text.replace("-", MINUS) + (f"\N{NO-BREAK SPACE}{self.unit}" if unit and self.unit else "")

    def between(self, low: Any, high: Any) -> str:
        """Write an interval of differences.

        >>> Metric("accuracy").between(0.01, 0.032).split()
        ['+1.0', 'to', '+3.2', 'pp']
        """
        if finite(low) is None or finite(high) is None:
            return MISSING
        return f"{self.change(low, unit=False)} to {self.change(high)}"

    def span(self, low: Any, high: Any) -> str:
        """Write an interval of values.

        >>> Metric("log_loss").span(0.61, 0.7).split(DASH)
        ['0.610', '0.700']
        """
        if finite(low) is None or finite(high) is None:
            return MISSING
        return f"{self.value(low).rstrip('%')}{DASH}{self.value(high).rstrip('%')}"


def size(x: Any) -> str:
    """Write bytes, decimal units.

    >>> size(0), size(44_700_000).split()
    ('0', ['44.7', 'MB'])
    """
    return _scaled(x, units.BYTES)


def operations(x: Any) -> str:
    """Write floating-point operations.

    >>> operations(3_200_000_000).split()
    ['3.2', 'GFLOP']
    """
    return _scaled(x, ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"))


def share(x: Any) -> str:
    """Write a share or a probability in whole percent.

    >>> share(0.253), share(0.004), share(0.999), share(1), share(0)
    ('25%', '<1%', '>99%', '100%', '0%')
    """
    number = finite(x)
    if number is None:
        return MISSING
    if 0 < number < 0.01:
        return "<1%"
    return ">99%" if 0.99 < number < 1 else f"{100 * number:.0f}%"


def duration(seconds: Any) -> str:
    """Write a time.

    >>> duration(4.2), duration(None) == MISSING
    ('4.2 s', True)
    """
    number = finite(seconds)
    return MISSING if number is None else units.duration(number)


def energy(joules: Any) -> str:
    """Write an energy.

    >>> energy(0.0042).split(), energy(0), energy(130).split()
    (['4.2', 'mJ'], '0', ['130', 'J'])
    """
    value = finite(joules)
    return MISSING if value is None else _scaled(value * 1e6, ("µJ", "mJ", "J", "kJ", "MJ"))


def number(x: Any, digits: int = 3) -> str:
    """Write a plain number.

    >>> number(0.12345), number(7)
    ('0.123', '7')
    """
    if isinstance(x, int) and not isinstance(x, bool):
        return str(x)
    value = finite(x)
    return MISSING if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def _scaled(x: Any, names: tuple[str, ...]) -> str:
    value = finite(x)
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    number, unit = units.scaled(value, names)
    digits = 0 if unit == names[0] or number >= 99.95 else 1
    return f"{number:.{digits}f}\N{NO-BREAK SPACE}{unit}"
