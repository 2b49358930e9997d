"""What each client gains with another family than the answer's: all where clients are few, else the sure ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headstart.evidence.each_client import ClientGain
from headstart.report.run import Json
from headstart.report.units import MINUS

FEW, MOST = 20, 30
"""Clients up to which each is shown, and rows that are shown of more."""
_INSTEAD = {"fine-tune": "alone", "federate": "federated", "both": "with both"}


@dataclass(frozen=True)
class Gain(ClientGain):
    """One client under another family, in words."""

    @property
    def instead(self) -> str:
        """How the client would do it instead."""
        return _INSTEAD.get(self.family, self.family)

    @property
    def interval(self) -> str:
        """The interval in points, empty where there is none."""
        return f"{_points(self.low)} to {_points(self.high)}" if self.low is not None and self.high is not None else ""

    @property
    def written(self) -> str:
        """The gain in points with its sign."""
        return f"{'+' if self.gain > 0 else ''}{_points(self.gain)}"


@dataclass(frozen=True)
class _Gains:
    """All clients' gains.

    Attributes:
        shown: the rows that are shown.
        says: who is surely better otherwise, one sentence per family.
        clients: how many there are.
        left_out: rows that are not shown.
    """

    shown: tuple[Gain, ...]
    says: tuple[str, ...]
    clients: int
    left_out: int


def gains_of(verdict: Json) -> _Gains | None:
    """What a verdict says of each client; None where it says nothing."""
    every = [Gain(**one) for one in verdict.get("each_client") or ()]
    if not every:
        return None
    clients = len({one.client for one in every})
    sure = sorted((one for one in every if one.sure), key=lambda one: -abs(one.gain))
    shown = every if clients <= FEW else sure[:MOST]
    return _Gains(tuple(shown), tuple(_sentences(every)), clients, len(every) - len(shown))


def _sentences(every: list[Gain]) -> Iterator[str]:
    for family in dict.fromkeys(one.family for one in every):
        yield _sentence([one for one in every if one.family == family])


def _sentence(rows: list[Gain]) -> str:
    """Say who surely does better, and how many surely do worse, with one other family."""
    instead = rows[0].instead
    better = sorted((one for one in rows if one.sure and one.gain > 0), key=lambda one: -one.gain)
    worse = sum(one.sure and one.gain < 0 for one in rows)
    some = ", ".join(f"{one.client} ({one.written}, {one.interval})" for one in better[:5])
    more = f" and {len(better) - 5} more" if len(better) > 5 else ""
    best = f"Better {instead}, in accuracy: {some}{more}" if better else f"No client is surely better {instead}"
    return f"{best}; {worse} of {len(rows)} {'is' if worse == 1 else 'are'} surely worse."


def _points(x: float | None) -> str:
    text = f"{100 * (x or 0.0):.1f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)
