"""What personal methods cost a client: the passes that they really take, and the bytes that they really send."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from headstart.adapt import Keep
from headstart.core.trees import Params
from headstart.costs.arm import ArmCosts, Population, arm_costs
from headstart.federate import METHODS
from headstart.models.network import Network

from .test_arm import HEAD, HEAD_FLOPS, PARAMETERS, TRAIN_ALL

FORWARD = 2 * 64 * 4 * 9 + 2 * 64 * 2 * 36
"""Of one example through the body."""
TRAIN_HEAD = FORWARD + 2 * HEAD_FLOPS
"""The body forwards, for its activations change every round; the head both ways."""
TRAIN_BODY = TRAIN_ALL - HEAD_FLOPS
"""All but the slope of the head's own weights."""
BODY = PARAMETERS - HEAD
SETTINGS = {"rounds": 2, "batch_size": 10}


@pytest.fixture
def clients(raw: Tensor) -> Population:
    return Population(raw, num_clients=10, num_examples=50)


@pytest.mark.parametrize(
    ("name", "settings", "per_example", "sent"),
    [
        ("fedavg", {}, TRAIN_ALL, PARAMETERS),
        ("fedper", {}, TRAIN_ALL, BODY),
        ("fedrep", {"head_epochs": 3}, 3 * TRAIN_HEAD + TRAIN_BODY, BODY),
        ("fedbabu", {"local_epochs": 2}, 2 * TRAIN_BODY, BODY),
        ("ditto", {"own_epochs": 2}, 3 * TRAIN_ALL, PARAMETERS),
        ("mr_mtl", {}, TRAIN_ALL, PARAMETERS),
        ("apfl", {}, 2 * TRAIN_ALL, PARAMETERS),
        ("pfedme", {"inner_steps": 4}, (4 + 1) * TRAIN_ALL, PARAMETERS),
    ],
)
def test_passes_and_bytes(
    name: str,
    settings: dict[str, Any],
    per_example: int,
    sent: int,
    network: Network,
    weights: Params,
    clients: Population,
) -> None:
    costs = _costs(METHODS[name].build(SETTINGS | settings), network, weights, clients)
    assert costs.client_flops == 2 * 50 * per_example
    assert costs.upload_bytes == 2 * 4 * sent


def test_a_model_of_its_own_takes_memory(network: Network, weights: Params, clients: Population) -> None:
    fedavg, ditto = (_costs(METHODS[name].build(SETTINGS), network, weights, clients) for name in ("fedavg", "ditto"))
    assert ditto.peak_memory_bytes >= fedavg.peak_memory_bytes + 4 * PARAMETERS


def test_local_steps_count_in_every_phase(network: Network, weights: Params, clients: Population) -> None:
    """``local_steps`` are taken instead of the passes of each phase."""
    method = METHODS["fedrep"].build(SETTINGS | {"local_steps": 7, "head_epochs": 9, "local_epochs": 9})
    assert _costs(method, network, weights, clients).client_flops == 2 * 7 * 10 * (TRAIN_HEAD + TRAIN_BODY)


def _costs(method: Any, network: Network, weights: Params, clients: Population) -> ArmCosts:
    return arm_costs(network, weights, [method], Keep(), clients, sends_weights=False)
