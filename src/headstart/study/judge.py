"""From all runs' client table to the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.core.content import hash_json
from headstart.evidence.scores import COLUMNS, Scores, from_rows
from headstart.evidence.verdict import Verdict, decide
from headstart.study.plan import oracles
from headstart.study.written.arms import Arm
from headstart.study.written.schema import DecisionSettings
from headstart.study.written.slate import Slate


def judge(
    slate: Slate,
    decision: DecisionSettings,
    parts: Sequence[Mapping[str, list[Any]]],
    stopped: Mapping[str, str],
    predicted: str | None,
) -> Verdict:
    """Decide between the arms that ran.

    Args:
        slate: the study's arms, with their costs.
        decision: the rule, fixed before the runs.
        parts: each run's rows of the client table, by column.
        stopped: arms that had to stop, with the reason.
        predicted: the arm that the diagnosis predicted.
    """
    return decide(
        _scores(slate.arms, decision.metric, parts),
        baseline=decision.baseline,
        metric=decision.metric,
        min_effect=decision.min_effect,
        confidence=decision.confidence,
        costs={name: cost.as_json() for name, cost in slate.costs.items()},
        ruled_out={**slate.ruled_out, **stopped},
        oracle=oracles(slate.arms),
        keep=without_adaptation(slate.arms),
        predicted=predicted,
    )


def without_adaptation(arms: Sequence[Arm]) -> dict[str, str]:
    """Say for each arm which arm is the same without its adaptation, if the study has it."""
    kept = {_before_adaptation(arm): arm.name for arm in arms if arm.adapt.build().changes_nothing}
    adapted = [arm for arm in arms if not arm.adapt.build().changes_nothing]
    return {arm.name: kept[_before_adaptation(arm)] for arm in adapted if _before_adaptation(arm) in kept}


def _scores(arms: Sequence[Arm], metric: str, parts: Sequence[Mapping[str, list[Any]]]) -> Scores:
    """Gather the decision's metric on the clients' own test examples."""
    rows = (
        dict(zip(COLUMNS, cells, strict=True))
        for part in parts
        for cells in zip(*(part[name] for name in COLUMNS), strict=True)
    )
    wanted = (row for row in rows if row["metric"] == metric and row["split"] == "test")
    return from_rows(wanted, metric, arms=[arm.name for arm in arms])


def _before_adaptation(arm: Arm) -> str:
    return hash_json({**arm.as_json(), "adapt": None})
