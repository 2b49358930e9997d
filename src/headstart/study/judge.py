"""From all runs' client table to the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.core.content import hash_json
from headstart.core.files import write_json
from headstart.evidence.scores import COLUMNS, Scores, from_rows
from headstart.evidence.verdict import Verdict, decide, prediction_held
from headstart.study.diagnosis import predicted_arm
from headstart.study.written.arms import ArmSpec

if TYPE_CHECKING:
    from headstart.study.plan import Plan


def judge(plan: Plan, parts: Sequence[Mapping[str, list[Any]]], ruled_out: Mapping[str, str], out: Path) -> Verdict:
    """Decide between the arms that ran, and write ``verdict.json``."""
    decision = plan.settings.decision
    verdict = decide(
        scores_of(plan, parts),
        baseline=decision.baseline,
        metric=decision.metric,
        min_effect=decision.min_effect,
        confidence=decision.confidence,
        costs={name: cost.as_json() for name, cost in plan.costs.items()},
        ruled_out=ruled_out,
        oracle=plan.oracles,
        keep=without_adaptation(plan.arms),
        predicted=predicted_arm(out / "diagnosis.json"),
    )
    write_json(out / "verdict.json", {**verdict.as_json(), "prediction_held": prediction_held(verdict)})
    return verdict


def scores_of(plan: Plan, parts: Sequence[Mapping[str, list[Any]]]) -> Scores:
    """Gather the decision's metric on the clients' own test examples."""
    metric = plan.settings.decision.metric
    rows = (
        dict(zip(COLUMNS, cells, strict=True))
        for part in parts
        for cells in zip(*(part[name] for name in COLUMNS), strict=True)
    )
    arms = [arm.name for arm in plan.arms]
    return from_rows((row for row in rows if row["metric"] == metric and row["split"] == "test"), metric, arms=arms)


def without_adaptation(arms: Sequence[ArmSpec]) -> dict[str, str]:
    """Say for each arm which arm is the same without its adaptation, if the study has it."""
    kept = {_before_adaptation(arm): arm.name for arm in arms if arm.adapt.method == "keep"}
    adapted = [arm for arm in arms if arm.adapt.method != "keep"]
    return {arm.name: kept[_before_adaptation(arm)] for arm in adapted if _before_adaptation(arm) in kept}


def _before_adaptation(arm: ArmSpec) -> str:
    return hash_json({**arm.as_json(), "adapt": None})
