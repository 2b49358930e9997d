"""What metrics mean: units, directions, ranges, and the tasks that they judge."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.core.errors import SettingError
from headstart.core.task import Task, classification
from headstart.evidence.metrics import (
    DEFAULTS,
    MEASURES,
    TIES,
    check_metric,
    client_metrics,
    example_parts,
    measure,
    measure_in,
    metrics_of,
)

TASKS = {
    "classification": classification(("a", "b")),
    "multilabel": Task(kind="multilabel", outputs=("a", "b")),
    "regression": Task(kind="regression", outputs=("y",)),
    "survival": Task(kind="survival", outputs=("risk",)),
}


@pytest.mark.parametrize("kind", TASKS)
def test_every_metric_of_a_task_is_computed_within_its_range(kind):
    generator, task = np.random.default_rng(0), TASKS[kind]
    truth = generator.integers(0, 2, size=(60, 2)).astype(float)
    truth = {"classification": truth[:, 0].astype(int), "regression": truth[:, :1]}.get(kind, truth)
    said = generator.random((60, task.num_outputs))
    owner = np.arange(60) % 2
    found = client_metrics(truth, said, owner, 2, task)
    assert set(found) == {*metrics_of(task.kind), "num_examples"}
    for name in metrics_of(task.kind):
        low, high = MEASURES[name].low, MEASURES[name].high
        assert ((found[name] >= low) & (found[name] <= high)).all()
        has_parts = example_parts(truth, said, owner, 2, task, name) is not None
        assert has_parts == MEASURES[name].by_example


@pytest.mark.parametrize("kind", TASKS)
def test_each_task_has_a_default_and_a_tie_break_of_its_own(kind):
    assert DEFAULTS[kind] in metrics_of(kind)
    assert TIES[kind] in metrics_of(kind)


def test_a_metric_of_another_task_is_refused_with_those_of_this_one():
    with pytest.raises(
        SettingError, match=r"must judge a task of regression \(mae, rmse, r2, spearman\), received auroc"
    ):
        check_metric("auroc", "regression")
    with pytest.raises(SettingError, match="unknown metric 'aurco'; did you mean 'auroc'"):
        check_metric("aurco")


def test_errors_are_in_the_unit_of_the_target():
    assert measure("mae", TASKS["regression"]).amount(-12.345) == "12.3 y"
    two = Task(kind="regression", outputs=("a", "b"), scales=(1.0, 2.0))
    assert measure("rmse", two).amount(0.5) == "0.500 SD"
    assert measure("auroc", TASKS["multilabel"]).by_class is False


def test_a_verdict_says_what_its_metric_means_without_importing_it():
    found = measure_in({"metric": "nowhere:at_all", "unit": "", "lower_is_better": True})
    assert (found.sign, found.amount(2.0), found.is_share) == (-1.0, "2.000", False)
    assert measure_in({"metric": "mae", "unit": "mmHg"}).amount(1.5) == "1.50 mmHg"
    assert measure_in({}).name == "accuracy"
