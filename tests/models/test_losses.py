"""Every task's loss: its slope is autograd's, a stack's is each client's, padding counts for nothing."""

import math

import pytest
import torch
from torch import Tensor

from headstart.core.task import Task
from headstart.models.losses import LOSSES, CoxPartialLikelihood, Loss, loss_of

TASKS = {
    "classification": Task(kind="classification", outputs=("a", "b", "c")),
    "multilabel": Task(kind="multilabel", outputs=("a", "b", "c")),
    "regression": Task(kind="regression", outputs=("x", "y", "z"), centers=(5.0, 0.0, -3.0), scales=(2.0, 1.0, 9.0)),
    "survival": Task(kind="survival", outputs=("risk",)),
}


def test_every_task_has_a_loss() -> None:
    assert LOSSES.keys() == TASKS.keys()


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]


def some(task: Task, *shape: int) -> tuple[Loss, Tensor, Tensor, Tensor]:
    """Scores, a truth and weights, some of them 0."""
    generator = torch.Generator().manual_seed(len(shape))
    scores = torch.randn(*shape, task.num_outputs, generator=generator, dtype=torch.float64)
    weights = torch.rand(*shape, generator=generator, dtype=torch.float64) * (torch.arange(shape[-1]) != 2)
    whole = torch.randint(0, 3, shape, generator=generator)
    kinds = {
        "classification": whole,
        "multilabel": torch.randint(0, 2, (*shape, 3), generator=generator).double(),
        "regression": torch.randn(*shape, 3, generator=generator, dtype=torch.float64) * 4,
        "survival": torch.stack([whole.double(), (whole != 1).double()], -1),
    }
    return loss_of(task), scores, kinds[task.kind], weights


def test_the_slope_is_that_of_autograd(task: Task) -> None:
    loss, scores, truth, weights = some(task, 7)
    (expected,) = torch.autograd.grad(loss.mean(scores.requires_grad_(), truth, weights), scores)
    torch.testing.assert_close(loss.slope(scores.detach(), truth, weights), expected, atol=1e-12, rtol=0)


def test_a_stack_is_each_client_alone(task: Task) -> None:
    loss, scores, truth, weights = some(task, 3, 7)
    alone = [loss.slope(scores[i], truth[i], weights[i]) for i in range(3)]
    torch.testing.assert_close(loss.slope(scores, truth, weights), torch.stack(alone), atol=1e-12, rtol=0)
    vmapped = torch.func.vmap(loss.mean)(scores, truth, weights)
    expected = torch.stack([loss.mean(scores[i], truth[i], weights[i]) for i in range(3)])
    torch.testing.assert_close(vmapped, expected)


def test_padding_counts_for_nothing(task: Task) -> None:
    loss, scores, truth, weights = some(task, 7)
    kept = weights > 0
    assert float(loss.mean(scores, truth, weights)) == pytest.approx(
        float(loss.mean(scores[kept], truth[kept], weights[kept]))
    )
    assert not loss.slope(scores, truth, weights)[~kept].any()


def test_a_client_without_examples_has_slope_zero(task: Task) -> None:
    loss, scores, truth, weights = some(task, 2, 7)
    weights[1] = 0
    slope = loss.slope(scores, truth, weights)
    assert not slope[1].any()
    assert slope[0].any()


def test_any_truth_can_be_learnt_from(task: Task) -> None:
    loss = loss_of(task)
    truth, scores = loss.any_truth(6, task.num_outputs), torch.zeros(6, task.num_outputs)
    assert math.isfinite(float(loss.mean(scores, truth, torch.ones(6))))
    assert loss.slope(scores, truth, torch.ones(6)).any()


def test_least_squares_that_fit_predict_the_truth() -> None:
    for kind in ("multilabel", "regression"):
        loss, _, truth, _ = some(TASKS[kind], 5)
        found = loss.predictions(loss.regressand(truth, 3))
        torch.testing.assert_close(found if kind == "regression" else found.round(), truth)


def test_the_partial_likelihood_of_three_patients_by_hand() -> None:
    """Events at 1 and 2, one followed until 3: minus log of e^a/(e^a+e^b+e^c) and of e^b/(e^b+e^c)."""
    a, b, c = 0.5, -1.0, 0.2
    truth = torch.tensor([[1.0, 1.0], [2.0, 1.0], [3.0, 0.0]])
    scores = torch.tensor([[a], [b], [c]], dtype=torch.float64)
    first = math.log(sum(math.exp(x) for x in (a, b, c))) - a
    second = math.log(sum(math.exp(x) for x in (b, c))) - b
    found = CoxPartialLikelihood().mean(scores, truth, torch.ones(3, dtype=torch.float64))
    assert float(found) == pytest.approx((first + second) / 3)


def test_nobody_s_event_is_no_slope() -> None:
    truth = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    assert not CoxPartialLikelihood().slope(torch.randn(2, 1), truth, torch.ones(2)).any()
