"""Metrics: how predictions are scored, of every client at once."""

from headstart.evidence.metrics.compute import (
    better,
    choose_cuts,
    class_metrics,
    client_metrics,
    deciding,
    example_parts,
    pooled_metrics,
)
from headstart.evidence.metrics.examples import example_values
from headstart.evidence.metrics.measure import (
    CUT,
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
from headstart.evidence.metrics.own import check_elsewhere, is_function, measure_of, scoring_key
from headstart.evidence.metrics.scored import Scoring, low_quantile, nan_mean, nan_means
from headstart.evidence.metrics.summary import run_metrics

__all__ = [
    "CUT",
    "DEFAULTS",
    "MEASURES",
    "TIES",
    "Measure",
    "Scoring",
    "better",
    "check_elsewhere",
    "check_metric",
    "choose_cuts",
    "class_metrics",
    "client_metrics",
    "deciding",
    "example_parts",
    "example_values",
    "is_function",
    "low_quantile",
    "measure",
    "measure_in",
    "measure_of",
    "metrics_of",
    "nan_mean",
    "nan_means",
    "pooled_metrics",
    "range_of",
    "run_metrics",
    "scoring_key",
]
