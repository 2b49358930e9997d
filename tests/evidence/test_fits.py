"""Whether an arm has learnt a task without classes, by its loss beside that of one who knows nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart.core.arrays import Array
from headstart.core.task import Task
from headstart.evidence.fits import Fit, Fits, fit_findings
from headstart.evidence.learnt import Conduct
from headstart.models.losses import loss_of

CONDUCT = Conduct(trains=True, is_trained=False, by_steps=True, may_refuse=False, kept=None, clients=4)
NUMBER = Task(kind="regression", outputs=("dose", "age"), centers=(1.0, 50.0), scales=(2.0, 9.0))
LABELS = Task(kind="multilabel", outputs=("a", "b"))
SURVIVAL = Task(kind="survival", outputs=("risk",))


def said(task: Task, rows: int = 60) -> tuple[Array, Array]:
    generator = np.random.default_rng(rows)
    scores = generator.normal(size=(rows, task.num_outputs))
    whole = generator.integers(0, 2, (rows, 2)).astype(float)
    truth = {
        "regression": generator.normal(size=(rows, 2)) * 4,
        "multilabel": whole,
        "survival": np.stack([generator.integers(0, 9, rows).astype(float), whole[:, 0]], 1),
    }
    return truth[task.kind], loss_of(task).predictions(torch.from_numpy(scores)).numpy()


@pytest.mark.parametrize("task", [NUMBER, LABELS, SURVIVAL], ids=lambda task: task.kind)
def test_the_loss_is_what_the_network_trains_on(task: Task) -> None:
    truth, predictions = said(task)
    found = Fit.of(task, [(truth, predictions)])
    assert found is not None
    scores = _scores(task, torch.from_numpy(predictions))
    expected = loss_of(task).mean(scores, torch.from_numpy(truth), torch.ones(len(truth), dtype=torch.float64))
    assert found.loss == pytest.approx(float(expected), rel=1e-6)
    assert (found.rows, found.finite) == (60, 1.0)


def _scores(task: Task, predictions: torch.Tensor) -> torch.Tensor:
    """Undo a loss's predictions."""
    if task.kind == "regression":
        return (predictions - torch.tensor(task.centers)) / torch.tensor(task.scales)
    return torch.logit(predictions) if task.kind == "multilabel" else predictions


@pytest.mark.parametrize("task", [NUMBER, LABELS, SURVIVAL], ids=lambda task: task.kind)
def test_who_says_the_same_to_all_knows_nothing(task: Task) -> None:
    truth, predictions = said(task)
    same = {"regression": np.array(task.centers), "multilabel": truth.mean(0), "survival": np.zeros(1)}[task.kind]
    found = Fit.of(task, [(truth, np.broadcast_to(same, predictions.shape))])
    assert found is not None
    assert found.loss == pytest.approx(found.nothing)


def test_predictions_that_are_no_numbers_are_counted_and_left_out() -> None:
    truth, predictions = said(NUMBER)
    found = Fit.of(NUMBER, [(truth, np.where(np.arange(60)[:, None] < 45, predictions, np.nan))])
    assert found is not None
    assert found.finite == 0.75
    assert np.isfinite(found.loss)


def test_no_examples_no_fit() -> None:
    assert Fit.of(NUMBER, [(np.empty((0, 2)), np.empty((0, 2)))]) is None


GOOD = Fit(rows=100, finite=1.0, loss=0.2, nothing=0.5)
FITS = Fits(train=GOOD, began=replace(GOOD, loss=0.5), val=GOOD)


def test_facts_survive_json() -> None:
    assert Fits.of_json(FITS.as_json()) == FITS
    lost = Fits(train=replace(GOOD, loss=np.inf), began=None, val=None)
    again = Fits.of_json(lost.as_json()).train
    assert again is not None
    assert np.isnan(again.loss)


@pytest.mark.parametrize(
    ("fits", "conduct", "kinds"),
    [
        (FITS, CONDUCT, []),
        (replace(FITS, train=replace(GOOD, finite=0.2)), CONDUCT, ["diverged"]),
        (replace(FITS, train=replace(GOOD, loss=9.0)), CONDUCT, ["diverged"]),
        (replace(FITS, train=replace(GOOD, loss=0.5)), CONDUCT, ["too slow"]),
        (replace(FITS, train=replace(GOOD, loss=0.6)), CONDUCT, ["not fallen"]),
        (replace(FITS, train=replace(GOOD, loss=0.6)), replace(CONDUCT, by_steps=False), []),
        (replace(FITS, val=replace(GOOD, loss=0.5)), CONDUCT, ["nothing"]),
        (replace(FITS, train=None), CONDUCT, ["not checked"]),
        (FITS, replace(CONDUCT, kept=0), ["kept by none"]),
    ],
)
def test_findings(fits: Fits, conduct: Conduct, kinds: list[str]) -> None:
    assert [finding.kind for finding in fit_findings(fits, conduct)] == kinds
