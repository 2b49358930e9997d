"""Options of every stage that trains, each against the same in plain PyTorch on the same batches."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from headstart.core.errors import SettingError
from headstart.core.seeds import torch_generator
from headstart.core.trees import Params
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.federate import FedAvg, Schedule
from headstart.models.batch import Batch
from headstart.models.cut import Trainable
from headstart.models.losses import CrossEntropy, Entropy
from headstart.models.model import Model
from headstart.testing import open_world
from headstart.training.augment import augmented
from headstart.training.client_data import Passes
from headstart.training.local import LocalTraining

LOCAL = LocalTraining(client_lr=0.1, batch_size=4, momentum=0.9, weight_decay=0.01)


def open_client(trainable: Trainable, *key: int | str, rounds: int = 1) -> tuple[Model, Params, OneClient]:
    world = open_world(trainable, dtype=torch.float64)
    client = world.federation.seen_clients[0]
    assert len(client.train) == 9
    data = OneClient(world.activations, client.id, client.train, keyed_order, (0, *key), rounds)
    return world.model, world.params, data


def by_hand(
    model: Model, params: Params, batches: Iterator[Batch], factors: list[float] | None = None, smoothing: float = 0.0
) -> Params:
    """Train with PyTorch's own optimiser and loss; features are multiplied by what a batch keeps."""
    weights = {name: value.clone().requires_grad_() for name, value in params.items()}
    optimizer = torch.optim.SGD(list(weights.values()), 0.1, momentum=0.9, weight_decay=0.01)
    for number, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.1 * (factors[number] if factors else 1)
        stop, hidden = model.network.depth, batch.inputs
        if not model.is_head_only:
            everything = {**model.frozen, **weights}
            hidden = torch.func.functional_call(model.network, everything, (hidden, model.cut, stop))
        hidden = hidden if batch.keep is None else hidden * batch.keep
        scores = functional.linear(hidden.double(), weights["head.weight"], weights["head.bias"])
        optimizer.zero_grad()
        functional.cross_entropy(scores, batch.labels, label_smoothing=smoothing).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return {name: value.detach() for name, value in weights.items()}


def assert_near(found: Params, right: Params) -> None:
    for name, value in right.items():
        # Batches are float32.
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_smoothed_labels(trainable: Trainable) -> None:
    model, params, data = open_client(trainable, "adapt")
    local = replace(LOCAL, label_smoothing=0.2)
    found = local.fit(model, params, data, 2)
    assert_near(found, by_hand(model, params, data.batches(model, LOCAL.passes(2)), smoothing=0.2))
    assert not torch.allclose(found["head.bias"], LOCAL.fit(model, params, data, 2)["head.bias"])
    assert model.network.loss == CrossEntropy(), "what clients are measured by stays as it is"


def test_smoothed_loss_and_its_slope() -> None:
    generator = torch_generator(0)
    scores, truth = torch.randn(5, 3, generator=generator, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    weights, loss = torch.tensor([1.0, 2.0, 0.0, 1.0, 3.0]), CrossEntropy(0.3)
    scores.requires_grad_()
    each = functional.cross_entropy(scores, truth, reduction="none", label_smoothing=0.3)
    mean = (each * weights).sum() / weights.sum()
    torch.testing.assert_close(loss.mean(scores, truth, weights), mean)
    torch.testing.assert_close(loss.slope(scores.detach(), truth, weights), torch.autograd.grad(mean, scores)[0])


def test_entropy_and_its_slope() -> None:
    scores, weights = torch.randn(4, 3, generator=torch_generator(1), dtype=torch.float64), torch.tensor([1.0, 2, 0, 1])
    scores.requires_grad_()
    each, truth = torch.distributions.Categorical(logits=scores).entropy(), torch.zeros(4, dtype=torch.int64)  # type: ignore[no-untyped-call]
    mean = (each * weights).sum() / weights.sum()
    torch.testing.assert_close(Entropy().mean(scores, truth, weights), mean)
    torch.testing.assert_close(Entropy().slope(scores.detach(), truth, weights), torch.autograd.grad(mean, scores)[0])


def test_a_model_of_another_loss_is_made_once() -> None:
    model = open_world("head").model
    assert model.trained_for(CrossEntropy(0.1)) is model.trained_for(CrossEntropy(0.1))
    assert model.trained_for(CrossEntropy()) is model


@pytest.mark.parametrize("trainable", ["head", "all"])
def test_cosine_over_an_adaptation(trainable: Trainable) -> None:
    """Two passes of three steps; PyTorch's own schedule says the factors."""
    model, params, data = open_client(trainable, "adapt")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler, factors = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6), []
    for _ in range(6):
        factors += [float(factor) for factor in scheduler.get_last_lr()]
        optimizer.step()
        scheduler.step()
    found = replace(LOCAL, lr_schedule="cosine").fit(model, params, data, 2)
    assert_near(found, by_hand(model, params, data.batches(model, LOCAL.passes(2)), factors))


def test_a_warm_up_goes_over_rounds() -> None:
    """Four rounds of three steps, half of them warm-up: round 1 has steps 4 to 6 of 6."""
    model, params, data = open_client("head", "round", 1, rounds=4)
    found = replace(LOCAL, warmup=0.5).fit(model, params, data, 1)
    assert_near(found, by_hand(model, params, data.batches(model, LOCAL.passes(1)), [4 / 6, 5 / 6, 1.0]))


def test_a_cosine_goes_on_from_round_to_round() -> None:
    factors = []
    for number in range(3):
        model, _, data = open_client("head", "round", number, rounds=3)
        local = replace(LOCAL, lr_schedule="cosine")
        passes = replace(local.passes(1), lr_factor=local.lr_factor)
        factors += [float(batch.lr_factor) for batch in data.batches(model, passes) if batch.lr_factor is not None]
    assert len(factors) == 9
    assert factors[0] == 1
    assert all(later < before for before, later in pairwise(factors))
    assert factors[-1] == pytest.approx((1 + torch.cos(torch.tensor(8 * torch.pi / 9))) / 2)


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_dropout(trainable: Trainable) -> None:
    """Features are left out by chance, others at every step, and the rest grow to make up for them."""
    model, params, data = open_client(trainable, "adapt")
    local, features = replace(LOCAL, dropout=0.4), model.network.num_features
    drawn = list(data.batches(model, local.passes(2)))
    kept = [replace(batch, keep=(batch.draws >= 0.4) / 0.6) for batch in drawn if batch.draws is not None]
    assert_near(local.fit(model, params, data, 2), by_hand(model, params, iter(kept)))
    shares = torch.cat([batch.keep for batch in kept if batch.keep is not None])
    assert shares.shape == (18, features)
    assert len({tuple(row) for row in shares.tolist()}) == 18
    assert float(shares.mean()) == pytest.approx(1, abs=0.1)


def test_pictures_change_at_every_step() -> None:
    model, params, data = open_client("all", "adapt")
    local = replace(LOCAL, augment="flip-crop")
    changed = [
        replace(batch, inputs=augmented(batch.inputs, batch.draws, "flip-crop"))
        for batch in data.batches(model, local.passes(2))
        if batch.draws is not None
    ]
    plain = [batch.inputs for batch in data.batches(model, LOCAL.passes(2))]
    assert all(not torch.equal(one.inputs, other) for one, other in zip(changed, plain, strict=True))
    assert_near(local.fit(model, params, data, 2), by_hand(model, params, iter(changed)))


def test_draws_are_the_clients_the_rounds_and_the_steps() -> None:
    passes = Passes(batch_size=4, draws=2)
    first, later = (open_client("head", "round", number) for number in (0, 1))
    draws = [batch.draws for model, _, data in (first, first, later) for batch in data.batches(model, passes)]
    assert all(one is not None for one in draws)
    own = [tuple(one[0].tolist()) for one in draws if one is not None]
    assert own[:3] == own[3:6]
    assert len(set(own)) == 6


def test_options_that_make_no_sense_are_refused() -> None:
    model, params, data = open_client("head", "adapt")
    with pytest.raises(SettingError, match=r"augment: needs training from the pixels, received 'flip'"):
        replace(LOCAL, augment="flip").fit(model, params, data, 1)
    world = open_world("head", task="regression")
    client = world.federation.seen_clients[0]
    numbers = OneClient(world.activations, client.id, client.train, keyed_order, (0, "adapt"))
    with pytest.raises(SettingError, match=r"label_smoothing: is for one class per example, received 0\.1"):
        replace(LOCAL, label_smoothing=0.1).fit(world.model, world.params, numbers, 1)


def test_a_stage_knows_its_rounds() -> None:
    """A federation of one client with a schedule is that client's own, round after round."""
    from headstart.engine.rounds import run_rounds

    world = open_world("head", dtype=torch.float64)
    client, local = world.federation.seen_clients[0], replace(LOCAL, momentum=0.0, lr_schedule="cosine")
    method = FedAvg(schedule=Schedule(rounds=3), local=local, trainable="head")
    found = run_rounds(method, world.model, world.params, [client], world.activations, engine=world.engine, seed=0)
    params = world.params
    for number in range(3):
        model, _, data = open_client("head", "round", number, rounds=3)
        params = local.fit(model, params, data, 1)
    assert_near(found.shared, params)
