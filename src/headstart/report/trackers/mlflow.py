"""MLflow: an experiment per study, a run per arm and seed."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.core.errors import require
from headstart.report.trackers.tracked import Tracked

_LONGEST = 500
"""Characters of a parameter that every MLflow server takes."""


def log(study: str, runs: Iterator[Tracked], where: str) -> None:
    """Log every run at a tracking address, such as ``sqlite:///runs.db`` or ``http://localhost:5000``."""
    mlflow = require("mlflow", "mlflow")
    mlflow.set_tracking_uri(where)
    mlflow.set_experiment(study)
    for run in runs:
        with mlflow.start_run(run_name=run.name):
            mlflow.log_params({name: value[:_LONGEST] for name, value in run.settings.items()})
            for step, name, value in run.curve:
                mlflow.log_metric(name, value, step=step)
            mlflow.log_metrics(dict(run.test))
