"""The arm to use: its family, and why it was chosen."""

from __future__ import annotations

from headstart.core.plain import finite
from headstart.evidence.answer_words import amount
from headstart.evidence.metrics import measure_in
from headstart.report.run import Json


def why_this_arm(verdict: Json) -> str:
    """Why the arm to use was chosen; says most where it has not the best mean."""
    arm, means = verdict.get("recommended"), _means(verdict)
    if arm is None or arm not in means or "grounds" not in verdict:
        return ""
    best = max(means, key=lambda name: means[name])
    if len(means) == 1:
        return "it is the only arm that may be used"
    if means[best] > means[arm]:
        return _why_not_best(verdict, str(arm), best)
    gone = _means(verdict, "dropped").values()
    return f"it has the best mean{' of the arms that went on' if max(gone, default=means[arm]) > means[arm] else ''}"


def _why_not_best(verdict: Json, arm: str, best: str) -> str:
    metric, means = measure_in(verdict), _means(verdict)
    least = amount(float(verdict["min_effect"]), metric)
    ahead = f"{named(verdict, best)} has the better mean, by {amount(means[best] - means[arm], metric)}"
    own: Json = (verdict.get("families") or {}).get(_family(verdict, arm)) or {}
    if own.get("representative") != arm:
        return f"{ahead}; {arm} is cheaper than {own.get('representative')} and not behind by more than {least}"
    if _family(verdict, best) == _family(verdict, arm):
        return f"{ahead}; arms are picked on {_picked(own)}, so that the test only judges"
    if verdict["grounds"] == "good enough":
        return f"{ahead}; {arm} ties with it within {least}, and is cheaper"
    return f"{ahead}; {_elsewhere(verdict, best)}"


def _elsewhere(verdict: Json, best: str) -> str:
    """Why an arm of another family is not used, though its mean is better."""
    other: Json = (verdict.get("families") or {}).get(_family(verdict, best)) or {}
    if other.get("representative") != best:
        return f"another arm stands for its family, picked on {_picked(other)}"
    return "which family is best is open, and this one may be least behind"


def _picked(standing: Json) -> str:
    data = {"validation": "validation data", "cost": "cost alone"}
    return data.get(str(standing.get("picked_by")), "other test examples than they are judged on")


def _means(verdict: Json, status: str = "candidate") -> dict[str, float]:
    """The means of arms of a status, turned so that greater is better."""
    sign = measure_in(verdict).sign
    arms: Json = verdict.get("arms") or {}
    found = {arm: finite(row.get("mean")) for arm, row in arms.items() if row.get("status") == status}
    return {arm: sign * mean for arm, mean in found.items() if mean is not None}


def named(verdict: Json, arm: str) -> str:
    """An arm's name with its family, where that is known."""
    family = _family(verdict, arm)
    return f"{arm} ({family})" if family else arm


def _family(verdict: Json, arm: str) -> str:
    return str(((verdict.get("arms") or {}).get(arm) or {}).get("family") or "")
