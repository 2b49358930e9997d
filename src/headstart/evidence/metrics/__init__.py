"""Metrics: how predictions are scored, of every client at once."""

from headstart.evidence.metrics.compute import (
    better,
    choose_cuts,
    class_metrics,
    client_metrics,
    deciding,
    example_parts,
    example_values,
    needs_positive,
    pooled_metrics,
)
from headstart.evidence.metrics.measure import (
    DEFAULTS,
    MEASURES,
    TIES,
    Measure,
    check_metric,
    measure,
    measure_in,
    metrics_of,
    range_of,
)
from headstart.evidence.metrics.own import is_own, measure_of, scoring_key
from headstart.evidence.metrics.scored import Scoring, low_quantile, nan_mean, nan_means
from headstart.evidence.metrics.summary import run_metrics

__all__ = [
    "DEFAULTS",
    "MEASURES",
    "TIES",
    "Measure",
    "Scoring",
    "better",
    "check_metric",
    "choose_cuts",
    "class_metrics",
    "client_metrics",
    "deciding",
    "example_parts",
    "example_values",
    "is_own",
    "low_quantile",
    "measure",
    "measure_in",
    "measure_of",
    "metrics_of",
    "nan_mean",
    "nan_means",
    "needs_positive",
    "pooled_metrics",
    "range_of",
    "run_metrics",
    "scoring_key",
]
