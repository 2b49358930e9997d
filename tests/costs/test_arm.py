from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from headstart.adapt import METHODS as ADAPT
from headstart.adapt import Everything, Finetune, Keep, Knn, LpFt
from headstart.core.trees import Params
from headstart.costs.arm import ArmCosts, Population, arm_costs
from headstart.costs.dry_run import Work, dry_run
from headstart.federate import METHODS as FEDERATE
from headstart.federate import FedAvg, Pooled, Ridge, Schedule
from headstart.federate.fedopt import Adam
from headstart.models.network import Network
from headstart.models.registry import build
from headstart.models.spec import ModelSpec
from headstart.training.local import LocalTraining
from normed import normed_world

PARAMETERS = 40 + 74 + 387
HEAD = 387
FLOAT, DOUBLE = 4, 8
CONV_FLOPS = 2 * 64 * 4 * 9 + 2 * 64 * 2 * 36
HEAD_FLOPS = 2 * 128 * 3
TRAIN_ALL = 2 * (2 * 64 * 4 * 9) + 3 * (2 * 64 * 2 * 36) + 3 * HEAD_FLOPS


@pytest.fixture
def clients(raw: Tensor) -> Population:
    return Population(raw, num_clients=10, num_examples=50)


def fedavg(**settings: object) -> FedAvg:
    schedule = Schedule(rounds=7, cohort_size=4)
    return FedAvg(schedule=schedule, local=LocalTraining(batch_size=16), local_epochs=3, **settings)  # type: ignore[arg-type]


def test_fedavg_of_everything_by_hand(network: Network, weights: Params, clients: Population) -> None:
    costs = arm_costs(network, weights, [fedavg()], Keep(), clients, sends_weights=False)
    model = PARAMETERS * FLOAT
    assert costs.total_bytes == 7 * 4 * 2 * model + 10 * model
    assert costs.upload_bytes == round(7 * 4 / 10 * model)
    assert costs.download_bytes == round(7 * 4 / 10 * model + model)
    assert costs.rounds == 7
    assert costs.client_flops == round(7 * 4 / 10 * 3 * 50 * TRAIN_ALL)
    assert costs.storage_bytes == model


def test_fedavg_of_a_head_sends_the_head(network: Network, weights: Params, clients: Population) -> None:
    costs = arm_costs(network, weights, [fedavg(trainable="head")], Keep(), clients, sends_weights=True)
    assert costs.total_bytes == (7 * 4 * 2 * HEAD + 10 * PARAMETERS) * FLOAT
    assert costs.weights_bytes == (PARAMETERS - HEAD) * FLOAT
    # The frozen part once per example; then two products per pass.
    assert costs.client_flops == round(50 * (CONV_FLOPS + 7 * 4 / 10 * 3 * 2 * HEAD_FLOPS))


def test_ridge_sends_a_triangle_and_a_moment_in_double(network: Network, weights: Params, clients: Population) -> None:
    costs = arm_costs(network, weights, [Ridge()], Keep(), clients, sends_weights=True)
    assert costs.upload_bytes == (129 * 130 // 2 + 129 * 3) * DOUBLE
    assert costs.rounds == 1
    gram = 2 * 50 * 129 * (129 + 3)
    assert costs.client_flops == 50 * CONV_FLOPS + gram


def test_fine_tuning_uploads_nothing(network: Network, weights: Params, clients: Population) -> None:
    probe = Finetune(epochs=10, local=LocalTraining(batch_size=16))
    costs = arm_costs(network, weights, [], probe, clients, sends_weights=True)
    assert (costs.upload_bytes, costs.rounds) == (0, 0)
    assert costs.download_bytes == costs.weights_bytes == PARAMETERS * FLOAT
    assert costs.total_bytes == 10 * PARAMETERS * FLOAT
    assert costs.client_flops == 50 * (CONV_FLOPS + 10 * 2 * HEAD_FLOPS)


def test_two_phases_add_up(network: Network, weights: Params, clients: Population) -> None:
    lp_ft = LpFt(head_epochs=6, epochs=2, local=LocalTraining(batch_size=16))
    costs = arm_costs(network, weights, [], lp_ft, clients, sends_weights=True)
    assert costs.client_flops == 50 * (CONV_FLOPS + 6 * 2 * HEAD_FLOPS + 2 * TRAIN_ALL)


def test_local_training_costs_no_bytes(network: Network, weights: Params, clients: Population) -> None:
    costs = arm_costs(network, weights, [], Finetune(depth=Everything()), clients, sends_weights=False)
    assert costs.total_bytes == costs.download_bytes == 0


def test_stages_in_a_row_share_the_frozen_part(network: Network, weights: Params, clients: Population) -> None:
    def run(*methods: object) -> ArmCosts:
        return arm_costs(network, weights, methods, Keep(), clients, sends_weights=True)  # type: ignore[arg-type]

    ridge, head, both = run(Ridge()), run(fedavg(trainable="head")), run(Ridge(), fedavg(trainable="head"))
    assert both.client_flops == ridge.client_flops + head.client_flops - 50 * CONV_FLOPS
    assert both.upload_bytes == ridge.upload_bytes + head.upload_bytes
    assert both.rounds == 8
    assert both.peak_memory_bytes == max(ridge.peak_memory_bytes, head.peak_memory_bytes)


def test_pooling_sends_the_examples(network: Network, weights: Params, clients: Population) -> None:
    costs = arm_costs(network, weights, [Pooled()], Keep(), clients, sends_weights=False)
    assert costs.upload_bytes == 50 * 64
    assert costs.download_bytes == PARAMETERS * FLOAT
    assert costs.client_flops == 0


def test_memory_holds_weights_update_gradient_and_optimiser(
    network: Network, weights: Params, clients: Population
) -> None:
    def peak(**settings: object) -> int:
        local = LocalTraining(batch_size=1, **settings)  # type: ignore[arg-type]
        tuned = Finetune(depth=Everything(), local=local)
        return arm_costs(network, weights, [], tuned, clients, sends_weights=True).peak_memory_bytes

    model = PARAMETERS * FLOAT
    assert peak() >= 3 * model
    assert peak(optimizer="adam") >= peak() + 2 * model


def test_the_servers_moments_take_no_memory_of_a_client(network: Network, weights: Params, clients: Population) -> None:
    def peak(**settings: object) -> int:
        return arm_costs(network, weights, [fedavg(**settings)], Keep(), clients, sends_weights=True).peak_memory_bytes

    assert peak(server=Adam()) == peak()


def test_the_last_small_batch_counts_by_its_size(network: Network, weights: Params, raw: Tensor) -> None:
    def flops(num_examples: int) -> int:
        tuned = Finetune(depth=Everything(), epochs=1, local=LocalTraining(batch_size=32))
        population = Population(raw, num_clients=2, num_examples=num_examples)
        return arm_costs(network, weights, [], tuned, population, sends_weights=True).client_flops

    assert [flops(n) for n in (1, 32, 33, 100)] == [n * TRAIN_ALL for n in (1, 32, 33, 100)]


def test_as_json_is_plain(network: Network, weights: Params, clients: Population) -> None:
    values = arm_costs(network, weights, [fedavg()], Keep(), clients, sends_weights=False).as_json()
    assert json.loads(json.dumps(values)) == values
    assert {
        "download_bytes",
        "upload_bytes",
        "total_bytes",
        "client_flops",
        "peak_memory_bytes",
        "rounds",
    } <= set(values)


def test_knn_remembers_features_and_labels(network: Network, weights: Params, clients: Population) -> None:
    """128 features and 3 classes per example, kept and held; no training, nothing sent; the frozen part once."""
    costs = arm_costs(network, weights, [], Knn(), clients, sends_weights=True)
    keeps = arm_costs(network, weights, [], Keep(), clients, sends_weights=True)
    memory = 50 * (128 + 3) * FLOAT
    assert costs.storage_bytes == keeps.storage_bytes + memory
    assert costs.peak_memory_bytes >= keeps.peak_memory_bytes + memory
    assert costs.client_flops == 50 * CONV_FLOPS
    assert costs.total_bytes == keeps.total_bytes
    assert costs.upload_bytes == costs.rounds == 0


def needs_numbers(work: Any, raw: Tensor, **settings: Any) -> Work:
    """Watch work that looks at the numbers of an example."""
    raw.sum().item()
    return dry_run(work, raw, **settings)


_LOOKS_AT_NUMBERS = (
    "adapt lora",
    "adapt lora_mix",
    "federate fedit",
    "federate ffa_lora",
    "federate fedsa_lora",
    "federate simsiam",
)
_READS_PICTURES = ("federate fedbn", "federate simsiam", "adapt adabn", "adapt tent")
_METHODS = {f"federate {name}": ([entry.build({})], Keep()) for name, entry in FEDERATE.items()}
_METHODS |= {f"adapt {name}": ([], entry.build({})) for name, entry in ADAPT.items()}


@pytest.mark.parametrize("name", _METHODS)
def test_shapes_alone_say_what_numbers_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every method is watched on tensors without numbers, if it never looks at any; that changes nothing."""
    federate, adapt = _METHODS[name]
    network, weights = build(ModelSpec(backbone="mlp"), shape=(12,), num_classes=3, from_scratch=True, seed=0)
    population = Population(torch.zeros(1, 12), num_clients=10, num_examples=50)
    if name in _READS_PICTURES:
        world = normed_world()
        network, weights = world.model.network, world.model.weights(world.params)
        population = Population(torch.zeros(1, 1, 8, 8), num_clients=10, num_examples=50)
    seen: list[bool] = []

    def watched(work: Any, raw: Tensor, **settings: Any) -> Work:
        seen.append(raw.is_meta)
        return dry_run(work, raw, **settings)

    monkeypatch.setattr("headstart.costs.arm.dry_run", watched)
    found = arm_costs(network, weights, federate, adapt, population, sends_weights=True)
    assert all(seen) or name in _LOOKS_AT_NUMBERS
    # Work that must see numbers is watched with them.
    monkeypatch.setattr("headstart.costs.arm.dry_run", needs_numbers)
    again = arm_costs(network, weights, federate, adapt, population, sends_weights=True)
    # A BatchNorm with numbers holds some that it needs for a moment only.
    assert again.peak_memory_bytes == pytest.approx(found.peak_memory_bytes, rel=0.001)
    assert replace(again, peak_memory_bytes=found.peak_memory_bytes) == found
