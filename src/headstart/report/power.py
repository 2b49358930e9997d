"""What can be decided with so much data: before a study, and after it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from headstart.evidence.answer_words import amount, needs
from headstart.evidence.contrast import Scope
from headstart.evidence.metrics import Measure
from headstart.evidence.outcomes import RIGHT_OR_WRONG
from headstart.evidence.power import EXAMPLES_RANGE, Design, smallest_effect, ways_out
from headstart.report.run import Run

_SCOPES: tuple[Scope, ...] = ("these", "like these")


@dataclass(frozen=True)
class _Smallest:
    """The smallest ``min_effect`` at which equal families are decided: typical, and for small and large spreads."""

    typical: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """In points.

        >>> _Smallest(0.0304, 0.0222, 0.0471).words, _Smallest(math.inf, math.inf, math.inf).words
        ('3.0 points (2.2 to 4.7)', 'never')
        """
        if not math.isfinite(self.typical):
            return "never"
        return f"{100 * self.typical:.1f} points ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class _Choice:
    """A study as it is, or with more of something, and what it could decide in both scopes."""

    what: str
    these: _Smallest
    like_these: _Smallest


def smallest(design: Design) -> _Smallest:
    """What a design can decide."""
    low, high = (smallest_effect(design, spread) for spread in EXAMPLES_RANGE)
    return _Smallest(smallest_effect(design), low, high)


def choices(design: Design) -> tuple[_Choice, ...]:
    """The design as it is, and what more seeds, test examples or clients would buy."""
    more = max(5, 2 * design.seeds)
    counts = design.counts
    plans = {
        f"as it is: {len(counts)} clients, {sum(counts):,} test examples, {design.seeds} seeds": design,
        f"{more} seeds": replace(design, seeds=more),
        "twice the test examples": replace(design, counts=tuple(2 * count for count in counts)),
        "five times the test examples": replace(design, counts=tuple(5 * count for count in counts)),
        "twice the clients": replace(design, counts=(*counts, *counts)),
    }
    return tuple(
        _Choice(what, *(smallest(replace(plan, scope=scope)) for scope in _SCOPES)) for what, plan in plans.items()
    )


def design_of(run: Run) -> Design | None:
    """What decides how small a difference a run can see; None where that is not known."""
    counts = [client.get("test") or 0 for client in run.federation.get("clients") or () if client.get("seen")]
    if run.metric not in RIGHT_OR_WRONG or not any(counts) or not run.seeds:
        return None
    return Design(
        counts=tuple(count for count in counts if count),
        seeds=len(run.seeds),
        families=len(run.verdict.get("families") or ()) or 3,
        confidence=float(run.verdict.get("confidence") or 0.95),
        scope=run.verdict.get("scope") or "these",
    )


def plan_lines(design: Design, min_effect: float, metric: Measure) -> tuple[str, ...]:
    """What a planned study can decide, and where its ``min_effect`` is smaller than that, the ways out.

    Args:
        design: of the study.
        min_effect: the smallest difference that matters.
        metric: of the decision; of metrics whose spreads are not known nothing is said.
    """
    if metric.name not in RIGHT_OR_WRONG or design.families < 2:
        return ()
    found = smallest(design)
    whom = f"these {len(design.counts)} clients" if design.scope == "these" else "clients like these"
    if not math.isfinite(found.typical):
        return (f"nothing can be claimed of {whom}: it takes 3 seeds, 3 clients, and 2 test examples of one client",)
    said = f"equal families would be decided at a min_effect of {found.words}, for {whom}"
    return (said,) if min_effect >= found.typical else (said, _warning(design, min_effect, metric, found))


def _warning(design: Design, min_effect: float, metric: Measure, found: _Smallest) -> str:
    ways = needs(ways_out(design, min_effect), design.scope)
    looser = f"a min_effect of {math.ceil(1000 * found.typical) / 1000:.3f}"
    asked = f"min_effect is {amount(min_effect, metric)}, at which equal families may stay undecided"
    return f"{asked}; a way out is {' or '.join(way for way in (ways, looser) if way)}"
