"""What the page needs to answer under another rule: the verdict's pairs, what arms send, the words."""

from __future__ import annotations

from typing import Any

from headstart.core.plain import plain
from headstart.evidence.answer_words import DO, DOING
from headstart.evidence.contrast import Contrast
from headstart.evidence.sides import FAMILIES
from headstart.report.run import Json, Run
from headstart.report.summary import ArmRow
from headstart.report.units import Metric

OLD = (
    "This verdict keeps no pairs of arms. Run the study again into this folder: nothing is trained again, only judged."
)
CROSSED = (
    "Arms of this study were picked by cross-fitting, for there are no validation data: only the smallest difference "
    "can be another here, and then a family's own arm is named."
)


def why_not(run: Run) -> str:
    """Say why the page cannot be asked; empty where it can."""
    return "" if run.verdict.get("pairs") else OLD


def asked(run: Run, rows: tuple[ArmRow, ...]) -> dict[str, Any] | None:
    """Return what the page's script reads; None where there is no verdict, or it cannot be asked."""
    if not run.verdict or why_not(run):
        return None
    pairs, verdict, metric = run.verdict["pairs"], run.verdict, Metric(run.measure)
    named = {row.name: row for row in rows}
    arms = [str(arm) for arm in pairs["arms"]]
    own = [named.get(arm) for arm in arms]
    table: Json = verdict.get("arms") or {}
    value = {
        **{name: pairs[name] for name in ("order", "gap", "worst", "validation", "validation_worst", "spread")},
        "arms": arms,
        "half": halves(pairs, float(verdict["confidence"])),
        "bounded": pairs["bounded"],
        "candidate": [arm in pairs["candidates"] for arm in arms],
        "beaten": [arm in pairs["beaten"] for arm in arms],
        "family": [(table.get(arm) or {}).get("family") for arm in arms],
        "mean": [row and row.mean for row in own],
        "traffic": [_megabytes(row.bytes if row else None) for row in own],
        "upload": [_megabytes(row.upload if row else None) for row in own],
        "families": FAMILIES,
        "known": {family: any(row.get("family") == family for row in table.values()) or family in _absent(verdict)
                  for family in FAMILIES},
        "by_rules": pairs["by_rules"],
        "words": {"do": DO, "doing": DOING},
        "metric": {"label": metric.label, "unit": metric.unit, "factor": metric.factor, "sign": metric.sign,
                   "share": metric.is_share},
        "rule": {"least": float(verdict["min_effect"]), "leader": verdict.get("leader"),
                 "arm": _place(arms, verdict.get("recommended"))},
        "fixed": _fixed(verdict, arms) if "cross-fitting" in pairs["picked_by"] else None,
        "confidence": float(verdict["confidence"]),
    }  # fmt: skip
    said: dict[str, Any] = plain(value)
    return said


def _fixed(verdict: Json, arms: list[str]) -> dict[str, Any]:
    """How families stand, where their arms were picked by cross-fitting and no pair of arms says it."""
    return {
        family: {
            "arm": _place(arms, one["representative"]),
            "upper": one["regret_upper"],
            "excluded": one["excluded_by"],
        }
        for family, one in verdict["families"].items()
    }


def _place(arms: list[str], arm: str | None) -> int | None:
    return arms.index(arm) if arm in arms else None


def halves(pairs: Json, confidence: float) -> list[list[float] | None]:
    """Return half the width of each pair's interval where two families compete, and where three do.

    The latter is that of a two-sided interval at the confidence, too. None where nothing is claimed.
    """
    tails = (1 - confidence, (1 - confidence) / 2)
    return [_half(se, df, tails) for se, df in zip(pairs["se"], pairs["df"], strict=True)]


def _half(se: float | None, df: float | None, tails: tuple[float, ...]) -> list[float] | None:
    if se is None or df is None:
        return None
    found = Contrast(0.0, se, df, "these", 0, 0, 0, 0.0, 0.0, 0.0)
    return [found.quantile(tail) * se for tail in tails]


def _absent(verdict: Json) -> Json:
    found: Json = verdict.get("absent") or {}
    return found


def _megabytes(number: float | None) -> float | None:
    return None if number is None else number / 1e6
