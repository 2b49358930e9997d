"""SimSiam against plain PyTorch layers on the same views, and what it promises of labels, heads and costs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.costs.dry_run import dry_run
from headstart.engine.clients import OneClient
from headstart.engine.features.activations import Activations
from headstart.engine.order import keyed_order
from headstart.federate import METHODS, FedAvg, SimSiam
from headstart.federate.simsiam import Siamese
from headstart.models.batch import Batch
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.augment import augmented, num_draws

LARGEST = 3
METHOD = SimSiam(
    local_epochs=3, projection=16, local=Siamese(batch_size=6, client_lr=0.1, momentum=0.9, weight_decay=0.01)
)


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("all", dtype=torch.float64)


def data_of(world: World, activations: Activations | None = None, position: int = LARGEST) -> OneClient:
    client = world.federation.clients[position]
    return OneClient(activations or world.activations, client.id, client.train, keyed_order, (0, "round", 1))


def update_of(world: World, method: SimSiam = METHOD, data: OneClient | None = None) -> tuple[Params, Params]:
    shared = method.init(world.model, world.params).shared
    return shared, method.client_update(world.model, shared, {}, data or data_of(world))[0]


class Plain(nn.Module):
    """The small CNN under a projector and a predictor, as the paper's Algorithm 1 has them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
            nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
        )
        self.projector = nn.Sequential(
            nn.Linear(128, width, bias=False),
            nn.BatchNorm1d(width, eps=1e-3),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width, eps=1e-3, affine=False),
        )
        self.predictor = nn.Sequential(
            nn.Linear(width, width // 4, bias=False),
            nn.BatchNorm1d(width // 4, eps=1e-3),
            nn.ReLU(),
            nn.Linear(width // 4, width),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return L = D(p1, z2) / 2 + D(p2, z1) / 2."""
        z1, z2 = (self.projector(self.blocks((view / 255 - 0.5) / 0.5)) for view in (first, second))
        p1, p2 = self.predictor(z1), self.predictor(z2)
        return (negative_cosine(p1, z2) + negative_cosine(p2, z1)) / 2


def negative_cosine(p: Tensor, z: Tensor) -> Tensor:
    z = z.detach()
    return -(functional.normalize(p, dim=1) * functional.normalize(z, dim=1)).sum(1).mean()


def views_of(batch: Batch) -> list[Tensor]:
    each = num_draws("crop-color")
    assert batch.draws is not None
    return [augmented(batch.inputs, batch.draws[:, i : i + each], "crop-color").double() for i in (0, each)]


def test_a_client_trains_as_plain_layers_do(world: World) -> None:
    shared, update = update_of(world)
    plain = Plain(METHOD.projection).double().train()
    left = plain.load_state_dict({n: v for n, v in shared.items() if not n.startswith("head.")}, strict=False)
    assert not left.unexpected_keys
    assert all("running" in name or "num_batches" in name for name in left.missing_keys)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for batch in data_of(world).batches(world.model, METHOD.local.passes(METHOD.local_epochs)):
        optimizer.zero_grad()
        loss = plain(*views_of(batch))
        loss.backward()
        optimizer.step()
    expected = {name: value.detach() for name, value in plain.named_parameters()}
    found = trees.add(shared, update)
    assert_same("after three epochs", {name: found[name] for name in expected}, expected, 1e-5)
    assert max(float(value.abs().max()) for value in update.values()) > 0.01, "nothing was learnt that could differ"


def test_views_of_a_picture_differ_and_change_from_epoch_to_epoch(world: World) -> None:
    batches = list(data_of(world).batches(world.model, replace(METHOD.local, batch_size=16).passes(2)))
    first, second = views_of(batches[0])
    assert not torch.equal(first, second)
    assert batches[0].draws is not None
    assert batches[1].draws is not None
    assert not torch.equal(batches[0].draws.sort(0)[0], batches[1].draws.sort(0)[0])


def test_no_label_is_looked_at(world: World) -> None:
    examples = world.federation.examples
    unlabelled = Activations(replace(examples, labels=np.full_like(examples.labels, -1)))
    assert_same("without labels", update_of(world)[1], update_of(world, data=data_of(world, unlabelled))[1])


def test_the_head_waits_and_nothing_of_the_method_is_left(world: World) -> None:
    shared, update = update_of(world)
    assert not update["head.weight"].any()
    assert not update["head.bias"].any()
    received = METHOD.personal_params(world.model, trees.add(shared, update), {})
    assert received.keys() == world.params.keys()
    assert torch.equal(received["head.weight"], world.params["head.weight"])
    assert not torch.equal(received["blocks.0.0.weight"], world.params["blocks.0.0.weight"])


def test_projector_and_predictor_travel_too(world: World) -> None:
    shared, update = update_of(world)
    more = 16 * 128 + 16 * 16 + 2 * 16 + 4 * 16 + 2 * 4 + 16 * 4 + 16
    assert trees.num_bytes(shared) == trees.num_bytes(world.params) + 8 * more
    assert trees.num_bytes(update) == trees.num_bytes(shared)


def test_equal_weights_have_an_equal_projector(world: World) -> None:
    first, again = (METHOD.init(world.model, world.params).shared for _ in range(2))
    assert_same("drawn twice", first, again)
    other = METHOD.init(world.model, {**world.params, "head.weight": world.params["head.weight"] + 1}).shared
    assert not torch.equal(first["projector.0.weight"], other["projector.0.weight"])


def test_a_client_of_one_picture_moves_nothing(world: World) -> None:
    """A batch of one is its own mean: normalised it is zero, and so is every slope."""
    method = replace(METHOD, local=replace(METHOD.local, weight_decay=0.0))
    one = data_of(world, position=4)
    assert len(one.indices) == 1
    assert not any(value.any() for value in update_of(world, method, one)[1].values())


def test_two_views_cost_twice_the_steps_of_fedavg(world: World) -> None:
    raw = world.activations.typical()

    def flops(method: FedAvg | SimSiam) -> int:
        shared = method.init(world.model, world.params).shared
        return dry_run(
            lambda client: method.client_update(world.model, shared, {}, client),
            raw,
            num_examples=64,
            weights=world.params,
        ).flops

    once, twice = flops(FedAvg()), flops(SimSiam(projection=8))
    assert 1.9 < twice / once < 2.5


def test_a_network_without_blocks_at_the_pixels_is_refused() -> None:
    world = open_world("all", backbone="linear")
    with pytest.raises(SettingError, match="trains all blocks from the pixels up, received 'linear'"):
        METHOD.init(world.model, world.params)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"balance": "loss"}, "balance"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"projection": 0}, "projection"),
        ({"augment": "none"}, "augment"),
        ({"dropout": 0.5}, "dropout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_without_a_meaning_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        METHODS["simsiam"].build(settings)
