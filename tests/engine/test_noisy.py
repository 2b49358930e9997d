"""Who is in a step, and the noise on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.core import trees
from headstart.engine.clients import Clients
from headstart.engine.noisy import KeyedChance, noisy_steps, sampled
from headstart.engine.order import PADDING
from headstart.federate import METHODS
from headstart.models.batch import Batch
from headstart.testing import open_world
from headstart.training.client_data import Passes
from headstart.training.example_noise import ExampleNoise

CPU = torch.device("cpu")


def test_each_example_is_in_each_step_on_its_own() -> None:
    """Counts are those of throws of a coin: for each example, for each step, and for pairs."""
    found = sampled(KeyedChance((0, "a")), 40, 5000, 10)
    there = np.zeros((5000, 40), dtype=bool)
    rows, columns = np.nonzero(found != PADDING)
    there[rows, found[rows, columns]] = True
    assert there.sum() == (found != PADDING).sum()
    deviation = np.sqrt(0.25 * 0.75 / 5000)
    assert np.abs(there.mean(0) - 0.25).max() < 5 * deviation
    assert abs(there.sum(1).var() / (40 * 0.25 * 0.75) - 1) < 0.1
    together = (there.astype(float).T @ there / 5000)[~np.eye(40, dtype=bool)]
    assert np.abs(together - 0.25**2).max() < 5.5 * np.sqrt(0.0625 * 0.9375 / 5000)
    assert abs((there[1:, 0] & there[:-1, 0]).mean() - 0.0625) < 5 * np.sqrt(0.0625 * 0.9375 / 4999)


def test_positions_are_in_order_and_padded_at_the_end() -> None:
    found = sampled(KeyedChance((1, "b")), 9, 30, 3)
    for row in found:
        real = row[row != PADDING]
        assert (np.diff(real) > 0).all()
        assert (row[len(real) :] == PADDING).all()


@pytest.mark.parametrize(("size", "steps"), [(0, 0), (0, 3), (5, 0)])
def test_nobody_is_in_nothing(size: int, steps: int) -> None:
    assert sampled(KeyedChance((0,)), size, steps, 4).shape == (steps, 0)


def test_noise_is_as_large_as_it_says_and_each_clients_own() -> None:
    passes, noise = Passes(batch_size=10), ExampleNoise(clip=2.0, multiplier=3.0)
    like = {"w": torch.zeros(2, 100, 50), "b": torch.zeros(2, 500)}
    drawn = noisy_steps([KeyedChance((0, "a")), KeyedChance((0, "b"))], [30, 25], passes, noise, CPU)
    found = drawn.steps[0].noise(like)
    assert float(torch.cat([found["w"].flatten(), found["b"].flatten()]).std()) == pytest.approx(6.0, rel=0.03)
    other = noisy_steps([KeyedChance((0, "b"))], [25], passes, noise, CPU)
    alone = other.steps[0].noise(trees.take(like, torch.tensor([1])))
    assert torch.equal(alone["w"][0], found["w"][1])
    assert not torch.equal(found["w"][0], found["w"][1])
    assert not torch.equal(found["w"], drawn.steps[1].noise(like)["w"])
    assert drawn.steps[0].expected.tolist() == [10, 10]


def test_who_has_fewer_steps_stands_still_at_the_end() -> None:
    passes, noise = Passes(batch_size=10), ExampleNoise(clip=1.0, multiplier=1.0)
    drawn = noisy_steps([KeyedChance((0, "a")), KeyedChance((0, "b"))], [30, 5], passes, noise, CPU)
    assert [one.goes.tolist() for one in drawn.steps] == [[True, True], [True, False], [True, False]]
    assert drawn.steps[1].noise({"w": torch.zeros(2, 4)})["w"][1].tolist() == [0] * 4


def _batches(passes: Passes) -> tuple[list[Batch], list[list[Batch]]]:
    world = open_world("head")
    clients = Clients([one for one in world.federation.clients if len(one.train)], world.activations)
    stacked = [*clients.some(np.arange(len(clients.members)), (0, "round", 1)).batches(world.model, passes)]
    single = [[*clients.one(i, (0, "round", 1)).batches(world.model, passes)] for i in range(len(clients.members))]
    return stacked, single


def test_one_client_draws_what_it_draws_in_a_stack() -> None:
    stacked, single = _batches(Passes(batch_size=4, epochs=3, noise=ExampleNoise(clip=1.0, multiplier=1.0)))
    like = {"w": torch.zeros(3, 2)}
    for step, batch in enumerate(stacked):
        assert batch.noisy is not None
        noise = batch.noisy.noise(trees.broadcast(like, len(single)))
        for at, own in enumerate(single):
            if step >= len(own):
                assert not batch.active[at]
                continue
            one, real = own[step], batch.weights[at] > 0
            assert one.noisy is not None
            assert one.full
            assert torch.equal(one.inputs[one.weights > 0], batch.inputs[at][real])
            assert torch.equal(one.noisy.noise(like)["w"], noise["w"][at])
            assert int(one.noisy.expected) == int(batch.noisy.expected[at])


def test_a_local_training_is_the_papers_loop() -> None:
    """DP-SGD by hand, in plain PyTorch on the same batches and the same noise."""
    world = open_world("head", dtype=torch.float64)
    method = METHODS["fedavg"].build(
        {"trainable": "head", "example_clip": 0.5, "example_noise": 1.5, "batch_size": 4, "local_epochs": 3}
    )
    clients = Clients([one for one in world.federation.clients if len(one.train)], world.activations)
    trained = method.local.fit(world.model, world.params, clients.one(0, (7,)), 3)
    weight, bias = world.params["head.weight"].clone(), world.params["head.bias"].clone()
    for batch in clients.one(0, (7,)).batches(world.model, method.local.passes(3)):
        grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        for x, y, there in zip(batch.inputs.double(), batch.labels, batch.weights, strict=True):
            slope = torch.softmax(weight @ x + bias, 0) - torch.nn.functional.one_hot(y, len(bias))
            own_weight = torch.outer(slope, x)
            norm = float(torch.sqrt(own_weight.square().sum() + slope.square().sum()))
            grad_weight += there * own_weight / max(1, norm / 0.5)
            grad_bias += there * slope / max(1, norm / 0.5)
        assert batch.noisy is not None
        noise = batch.noisy.noise({"head.weight": weight, "head.bias": bias})
        weight = weight - 0.05 * (grad_weight + noise["head.weight"]) / 4
        bias = bias - 0.05 * (grad_bias + noise["head.bias"]) / 4
    torch.testing.assert_close(trained["head.weight"], weight, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(trained["head.bias"], bias, rtol=1e-9, atol=1e-12)


def test_noise_does_not_depend_on_the_order_of_names() -> None:
    """A tree that was read from a file has another order than one that was made."""
    made = {"head.weight": torch.zeros(1, 3, 2), "head.bias": torch.zeros(1, 3)}
    read = dict(sorted(made.items()))
    assert list(made) != list(read)

    def noise(tree: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        hiding = ExampleNoise(clip=1.0, multiplier=1.0)
        drawn = noisy_steps([KeyedChance((0, "a"))], [5], Passes(batch_size=5), hiding, CPU)
        return drawn.steps[0].noise(tree)

    first, second = noise(made), noise(read)
    assert all(torch.equal(first[name], second[name]) for name in made)
