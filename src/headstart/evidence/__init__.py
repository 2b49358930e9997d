"""From what every client scored to a verdict with its uncertainty; NumPy and SciPy only."""

from headstart.evidence.arm_table import ArmScore
from headstart.evidence.bootstrap import interval, mean_draws, resample
from headstart.evidence.decision import check_decision, check_settings
from headstart.evidence.metrics import (
    MEASURES,
    Measure,
    check_metric,
    client_metrics,
    pooled_metrics,
    run_metrics,
)
from headstart.evidence.scores import Scores, Summary, from_rows, share_hurt, summarize
from headstart.evidence.verdict import Verdict, decide

__all__ = [
    "MEASURES",
    "ArmScore",
    "Measure",
    "Scores",
    "Summary",
    "Verdict",
    "check_decision",
    "check_metric",
    "check_settings",
    "client_metrics",
    "decide",
    "from_rows",
    "interval",
    "mean_draws",
    "pooled_metrics",
    "resample",
    "run_metrics",
    "share_hurt",
    "summarize",
]
