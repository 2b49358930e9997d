"""FedPFT: what is drawn has the clients' means and variances, and the head is one that plain PyTorch trains on it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.core.errors import SettingError
from headstart.federate import METHODS, ParametricTransfer
from headstart.federate.fedpft import gaussians
from headstart.models.model import Model, cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec
from headstart.training.client_data import Passes
from headstart.training.gaussians import Gaussians

COLUMNS, CLASSES = 3, 3


def model_of() -> tuple[Model, dict[str, torch.Tensor]]:
    spec = ModelSpec(backbone="linear")
    return cut_at(*build(spec, shape=(COLUMNS,), num_classes=CLASSES, from_scratch=True, seed=0), "head")


def update_of(*clients: tuple[np.ndarray, np.ndarray], spherical: bool = False) -> dict[str, torch.Tensor]:
    """What clients send, each its features and labels, computed by hand."""
    cells = [[features[labels == c].astype(float) for c in range(CLASSES)] for features, labels in clients]
    squares = np.array([[(cell**2).sum(0) for cell in own] for own in cells])
    return {
        "sums": torch.tensor(np.array([[cell.sum(0) for cell in own] for own in cells])),
        "counts": torch.tensor([[float(len(cell)) for cell in own] for own in cells], dtype=torch.float64),
        "squares": torch.from_numpy(squares.sum(-1, keepdims=True) if spherical else squares),
    }


def rows(size: int, classes: int = CLASSES, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(size) % classes
    spread = np.array([0.1, 1.0, 3.0])
    return (5 * labels[:, None] + spread * rng.normal(size=(size, COLUMNS))).astype(np.float32), labels


@pytest.mark.parametrize("covariance", ["diagonal", "spherical"])
def test_gaussians_are_those_of_each_clients_classes(covariance: Any) -> None:
    (first, labels), (second, others) = rows(30), rows(20, classes=2, seed=1)
    found = gaussians(update_of((first, labels), (second, others), spherical=covariance == "spherical"))
    cells = [first[labels == c] for c in range(CLASSES)] + [second[others == c] for c in range(2)]
    assert found.labels.tolist() == [0, 1, 2, 0, 1]
    assert found.counts.tolist() == [len(cell) for cell in cells]
    variances = np.array([cell.astype(float).var(0, ddof=1) for cell in cells])
    variances = variances.mean(1, keepdims=True) if covariance == "spherical" else variances
    np.testing.assert_allclose(found.means, [cell.astype(float).mean(0) for cell in cells], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.deviations**2, variances, rtol=1e-5)


def test_draws_have_their_gaussians_mean_and_variance() -> None:
    data = Gaussians(
        torch.tensor([[1.0, -2.0, 3.0], [0.0, 5.0, 0.0]]).double(),
        torch.tensor([[0.5, 1.0, 2.0], [0.0, 3.0, 1.0]]).double(),
        torch.tensor([0, 2]),
        torch.tensor([8000.0, 4000.0]).double(),
    )
    batch = data.everything(model_of()[0])
    for i, label in enumerate((0, 2)):
        own = batch.inputs[batch.labels == label]
        assert len(own) == data.counts[i]
        torch.testing.assert_close(own.mean(0).double(), data.means[i], rtol=0, atol=0.2)
        torch.testing.assert_close(own.std(0).double(), data.deviations[i], rtol=0.05, atol=1e-6)


def test_a_single_example_takes_the_mean_variance_of_the_others() -> None:
    features, labels = rows(21)
    labels = np.where(np.arange(21) == 0, 2, labels % 2)
    found = gaussians(update_of((features, labels)))
    apart = [features[labels == c].astype(float) - features[labels == c].mean(0) for c in (0, 1)]
    expected = sum((own**2).sum(0) for own in apart) / sum(len(own) - 1 for own in apart)
    np.testing.assert_allclose(found.deviations[2] ** 2, expected, rtol=1e-4)


def test_of_single_examples_alone_the_draws_are_the_examples() -> None:
    features, labels = rows(3)
    batch = gaussians(update_of((features, labels))).everything(model_of()[0])
    np.testing.assert_allclose(batch.inputs, features, rtol=0, atol=1e-5)


def test_the_head_is_the_one_that_plain_pytorch_trains() -> None:
    model, params = model_of()
    update = update_of(rows(30), rows(20, seed=1))
    method = METHODS["fedpft"].build({"epochs": 2, "client_lr": 0.1, "momentum": 0.9, "batch_size": 8})
    found, _ = method.server_update(model, params, {}, update)
    weight, bias = (params[f"head.{part}"].clone().requires_grad_() for part in ("weight", "bias"))
    optimizer = torch.optim.SGD([weight, bias], lr=0.1, momentum=0.9)
    for batch in gaussians(update).batches(model, Passes(batch_size=8, epochs=2)):
        optimizer.zero_grad()
        loss: Any = functional.cross_entropy(batch.inputs @ weight.T + bias, batch.labels)
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(found["head.weight"], weight.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(found["head.bias"], bias.detach(), rtol=0, atol=1e-5)


def test_passes_take_each_gaussian_as_often_as_it_had_examples() -> None:
    model, _ = model_of()
    data = gaussians(update_of(rows(30), rows(20, seed=1)))
    batches = list(data.batches(model, Passes(batch_size=8, epochs=2)))
    labels = torch.cat([batch.labels for batch in batches])
    assert [len(batch.labels) for batch in batches] == [8] * 6 + [2] + [8] * 6 + [2]
    assert labels.bincount().tolist() == [34, 34, 32]
    first, second = batches[0], next(iter(data.batches(model, Passes(batch_size=8))))
    assert torch.equal(first.inputs, second.inputs)


def test_steps_are_counted_instead_of_passes() -> None:
    data = gaussians(update_of(rows(30)))
    for steps in (1, 4, 9):
        assert len(list(data.batches(model_of()[0], Passes(batch_size=8, steps=steps)))) == steps


def test_classes_can_count_alike() -> None:
    model, _ = model_of()
    features, labels = rows(400)
    labels = np.where(np.arange(400) < 40, 0, 1)
    data = gaussians(update_of((features, labels)))
    weighted = list(data.batches(model, Passes(batch_size=50, balance="loss")))
    total = [sum(float(b.weights[b.labels == c].sum()) for b in weighted) for c in (0, 1)]
    assert total == pytest.approx([200, 200], rel=1e-5)
    sampled = torch.cat([b.labels for b in data.batches(model, Passes(batch_size=50, epochs=5, balance="sampling"))])
    assert 0.45 < float((sampled == 0).double().mean()) < 0.55


def test_bad_settings_are_refused() -> None:
    for settings, complaint in (({"covariance": "full"}, "covariance"), ({"epochs": 0}, "epochs")):
        with pytest.raises(SettingError, match=complaint):
            METHODS["fedpft"].build(settings)


def test_a_spherical_gaussian_is_smaller() -> None:
    from headstart.engine.rounds import run_rounds
    from headstart.testing import open_world

    world = open_world("head")
    clients = world.federation.seen_clients
    diagonal, spherical = (
        run_rounds(
            ParametricTransfer(covariance=one), world.model, world.params, clients, world.activations,
            engine=world.engine, seed=0,
        ).traffic.upload
        for one in ("diagonal", "spherical")
    )  # fmt: skip
    width = world.model.network.num_features
    assert diagonal * (width + 2) == spherical * (2 * width + 1)
