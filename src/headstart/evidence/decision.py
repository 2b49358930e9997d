"""The decision rule is set before the runs: its settings are checked, other rules' records refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headstart.core.errors import DataError, SettingError, nearest
from headstart.evidence.metrics import MEASURES, Measure, measure


def check_settings(
    baseline: str, metric: Measure | str, min_effect: float, confidence: float, arms: Iterable[str]
) -> None:
    """Refuse a decision that cannot be taken.

    Raises:
        SettingError: which setting, its rule, the value received.
    """
    check_min_effect(measure(metric), min_effect)
    if not 0 < confidence < 1:
        raise SettingError(f"decision.confidence: must lie between 0 and 1, got {confidence}; try 0.95")
    names = set(arms)
    if baseline not in names:
        raise SettingError(f"decision.baseline: must be one of the arms, got '{baseline}'; {nearest(baseline, names)}")


def check_min_effect(metric: Measure, min_effect: float) -> None:
    """Refuse what cannot be the smallest difference that matters.

    Raises:
        SettingError: it is no number, below 0, or of a share above 1.
    """
    if not (math.isfinite(min_effect) and min_effect >= 0):
        raise SettingError(f"decision.min_effect: must be a number of at least 0, got {min_effect}; try 0.01")
    if metric.is_share and min_effect > 1:
        raise SettingError(
            f"decision.min_effect: must be a share of at most 1 for {metric.name}, received {min_effect}; "
            "0.02 is two points"
        )


def check_scope(metric: str, clients: str | None) -> None:
    """Refuse to speak of these clients by a metric that is no mean over examples.

    Raises:
        SettingError: the metric knows no single examples.
    """
    able = [name for name, one in MEASURES.items() if one.by_example]
    if clients == "these" and metric not in able:
        raise SettingError(
            f'decision.clients: "these" needs a metric that is a mean over examples ({", ".join(able)}), '
            f'received {metric}; write "like these", or another metric'
        )


def check_decision(records: Iterable[Mapping[str, Any]], decision_hash: str, changes: Sequence[str] = ()) -> None:
    """Refuse records that were made under another decision rule: a rule is fixed before the runs.

    Args:
        records: of the runs so far.
        decision_hash: of the rule now.
        changes: which settings differ, with their old and new values, where that is known.

    Raises:
        DataError: a record carries another hash, or none.

    >>> check_decision([{"arm": "ridge", "seed": 0, "decision": "a1"}], "a1")
    """
    others = [record for record in records if record.get("decision") != decision_hash]
    if not others:
        return
    arm, seed, found = (others[0].get(key) for key in ("arm", "seed", "decision"))
    which = f"{'; '.join(changes)}" if changes else f"its hash was {found!r}, is {decision_hash!r}"
    raise DataError(
        f"[decision]: the rule is fixed before the runs, but {which} ({len(others)} records, such as that of arm "
        f"'{arm}', seed {seed}, were made before the change); restore [decision] as it was, or run the study into a "
        "new folder"
    )
