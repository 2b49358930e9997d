"""A question to a finished study that a script can ask: may a family be used?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headstart.core.errors import DataError, SettingError, nearest
from headstart.core.plain import finite
from headstart.evidence.metrics import Measure, measure_in
from headstart.evidence.sides import FAMILIES
from headstart.report.answer import OLD, doubt, has_answer
from headstart.report.race import is_going
from headstart.report.run import Json, load_run


@dataclass(frozen=True)
class Checked:
    """Whether a family may be used.

    Attributes:
        passed: it cannot be worse than the best family by more than the margin, and nothing puts the answer in doubt.
        family: that was asked for.
        arm: that stands for it.
        regret_upper: the most by which it may be worse than the best; None without a claim.
        margin: that was allowed.
        post_hoc: the margin is not the study's own, which was fixed before the runs.
        line: all that in one line.
    """

    passed: bool
    family: str
    arm: str
    regret_upper: float | None
    margin: float
    post_hoc: bool
    line: str


def check_answer(folder: str | Path, family: str, margin: float | None = None) -> Checked:
    """Say whether a family cannot be worse than the best by more than a margin, by a run folder's verdict.

    Args:
        folder: what ``headstart study`` or ``headstart federate run`` wrote.
        family: ``fine-tune``, ``federate`` or ``both``.
        margin: in the metric's unit, at least 0; the study's ``min_effect`` if None. Another one is chosen after the
            runs, which the result says.

    Raises:
        SettingError: the family is unknown, or the margin is negative.
        DataError: there is no run, no verdict, or one from before the answer; or no arm of the family can be judged.
    """
    if family not in FAMILIES:
        raise SettingError(f"--answer: must be a family, received '{family}'; {nearest(family, FAMILIES)}")
    if margin is not None and not margin >= 0:
        raise SettingError(f"--margin: must be at least 0, received {margin}; try 0.02")
    verdict = load_run(folder).verdict
    if margin is not None and margin > 1 and measure_in(verdict).is_share:
        raise SettingError(f"--margin: must be a share of at most 1, received {margin}; 0.02 is two points")
    if not verdict:
        raise DataError(f"'{folder}' has no verdict yet; run the study to its end")
    if not has_answer(verdict):
        raise DataError(f"'{folder}': {OLD}")
    standing = verdict["families"].get(family)
    if standing is None:
        raise DataError(f"--answer: no arm of '{family}' can be judged: {_why_missing(verdict, family)}")
    own = float(verdict["min_effect"])
    return _checked(verdict, family, standing, own if margin is None else margin, margin is not None and margin != own)


def _checked(verdict: Json, family: str, standing: Json, margin: float, post_hoc: bool) -> Checked:
    most, arm, metric = finite(standing.get("regret_upper")), str(standing["representative"]), measure_in(verdict)
    passed = most is not None and most <= margin + 1e-12 and not doubt(verdict)
    if most is None:
        found = f"nothing can be claimed: {verdict.get('no_claim') or 'no interval'}"
    elif verdict.get("grounds") == "only":
        found = "the only family that may run"
    else:
        found = f"at most {_exact(max(0.0, most), metric)} behind the best, {_exact(margin, metric)} allowed"
    level = f"{100 * float(verdict['confidence']):g} %"
    after = "; post hoc: another margin than the study's" if post_hoc else ""
    after += f"; careful: {doubt(verdict)}" if doubt(verdict) else ""
    after += "; so far: the study is not finished" if is_going(verdict) else ""
    line = f"{'yes' if passed else 'no'}: {family} ({arm}): {found} ({metric.words}, {level}){after}"
    return Checked(passed, family, arm, most, margin, post_hoc, line)


def _exact(value: float, metric: Measure) -> str:
    """Write a bound finely enough to be held against a margin.

    >>> from headstart.evidence.metrics import measure
    >>> _exact(0.0304, measure("accuracy")), _exact(0.03, measure("accuracy")), _exact(0.0304, measure("log_loss"))
    ('3.04 points', '3 points', '0.0304 nats')
    """
    if not metric.is_share:
        return f"{value:.4f} {metric.unit}".rstrip()
    points = f"{100 * value:.2f}".rstrip("0").rstrip(".")
    return f"{points} point" if points == "1" else f"{points} points"


def _why_missing(verdict: Json, family: str) -> str:
    """Say why no arm stands for a family: a rule, a failure, or the study has none."""
    if why := (verdict.get("absent") or {}).get(family):
        return str(why)
    arms: Json = verdict.get("arms") or {}
    reasons = {**(verdict.get("ruled_out") or {}), **(verdict.get("failed") or {})}
    own = {arm: reason for arm, reason in reasons.items() if (arms.get(arm) or {}).get("family") in (family, None)}
    unfinished = [arm for arm, row in arms.items() if row.get("family") == family and arm not in own]
    if unfinished:
        return f"{', '.join(unfinished)} did not run in full"
    return "; ".join(f"{arm}: {reason}" for arm, reason in own.items()) or "the study has none"
