"""Federated training as others wrote it: plain PyTorch on the clients, Flower's strategies on the server."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.core.trees import Params
from headstart.data.federation import Client
from headstart.engine.cohort import sample_cohort
from headstart.engine.order import PADDING, keyed_order
from headstart.federate import Schedule
from headstart.testing import World
from headstart.training.local import LocalTraining


class Nodes:
    """Stands for Flower's grid: it knows who is connected."""

    def __init__(self, count: int) -> None:
        self.ids = list(range(1, count + 1))

    def get_node_ids(self) -> list[int]:
        return self.ids


def plain_cnn(params: Params, dtype: torch.dtype) -> nn.Module:
    """The small CNN once more, from PyTorch's own parts."""
    cnn = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 2 * 2, 3)),
    ).to(dtype)
    with torch.no_grad():
        for own, given in zip(cnn.parameters(), params.values(), strict=True):
            own.copy_(given)
    return cnn


def pixels(world: World, rows: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Images between -1 and 1; float32 numbers, for such is what a network reads, whatever its weights."""
    return ((torch.from_numpy(world.federation.examples.inputs[rows]).float() * (1 / 255) - 0.5) / 0.5).to(dtype)


def batches_of(
    world: World, client: Client, local: LocalTraining, epochs: int, key: tuple[Any, ...]
) -> list[np.ndarray]:
    """The engine's own batches of one client, as rows of the examples."""
    labels = world.federation.examples.labels[client.train]
    order = keyed_order([client.id], [labels], local.passes(epochs), key)[0]
    return [client.train[row[row != PADDING]] for row in order]


def train_client(
    world: World, params: Params, client: Client, local: LocalTraining, rows: Sequence[np.ndarray], mu: float = 0
) -> Params:
    """Train one client in a plain loop."""
    dtype = params["head.weight"].dtype
    cnn = plain_cnn(params, dtype)
    start = [p.detach().clone() for p in cnn.parameters()]
    optimizer = torch_optimizer(cnn, local)
    labels = torch.from_numpy(world.federation.examples.labels)
    weight = balanced(labels[client.train], dtype) if local.balance == "loss" else None
    for chosen in rows:
        optimizer.zero_grad()
        loss = functional.cross_entropy(cnn(pixels(world, chosen, dtype)), labels[chosen], weight=weight)
        pull = sum(((p - s) ** 2).sum() for p, s in zip(cnn.parameters(), start, strict=True))
        (loss + mu / 2 * pull).backward()
        optimizer.step()
    return dict(zip(params, (p.detach() for p in cnn.parameters()), strict=True))


def shares(sizes: Sequence[int]) -> list[float]:
    """How much clients of these numbers of examples weigh in a mean: of three or more none outweighs the others."""
    capped = [min(size, sum(sizes) - size) if len(sizes) > 2 else size for size in sizes]
    return [size / sum(capped) for size in capped]


def torch_optimizer(cnn: nn.Module, local: LocalTraining) -> torch.optim.Optimizer:
    settings = {"lr": local.client_lr, "weight_decay": local.weight_decay}
    match local.optimizer:
        case "adam":
            return torch.optim.Adam(cnn.parameters(), **settings)
        case "adamw":
            return torch.optim.AdamW(cnn.parameters(), **settings)
    return torch.optim.SGD(cnn.parameters(), momentum=local.momentum, **settings)


def balanced(labels: Tensor, dtype: torch.dtype) -> Tensor:
    """scikit-learn's balanced class weights."""
    from sklearn.utils.class_weight import compute_class_weight

    weight = torch.zeros(3, dtype=dtype)
    present = np.unique(labels)
    weight[present] = torch.tensor(compute_class_weight("balanced", classes=present, y=labels.numpy())).to(dtype)
    return weight


def run_flower(world: World, strategy: Any, local: LocalTraining, schedule: Schedule, mu: float = 0) -> Params:
    """Run rounds: plain clients, and a Flower strategy that aggregates their parameters."""
    from flwr.app import ArrayRecord, ConfigRecord

    members = sorted((c for c in world.federation.seen_clients if len(c.train)), key=lambda c: c.id)
    params, dtype = world.params, world.params["head.weight"].dtype
    for number in range(schedule.rounds):
        cohort = [members[i] for i in sample_cohort(len(members), schedule, 0, number)]
        arrays = ArrayRecord({name: _array(value) for name, value in params.items()})
        requests = strategy.configure_train(number, arrays, ConfigRecord(), Nodes(len(cohort)))
        replies = []
        for client, request in zip(cohort, requests, strict=True):
            rows = batches_of(world, client, local, 1, (0, "round", number))
            trained = train_client(world, params, client, local, rows, mu)
            replies.append(_reply(request, trained, len(client.train)))
        aggregated, _ = strategy.aggregate_train(number, replies)
        params = {name: torch.from_numpy(aggregated[name].numpy()).to(dtype) for name in params}
    return params


def _array(value: Tensor) -> Any:
    from flwr.app import Array

    return Array(value.numpy())


def _reply(request: Any, params: Params, num_examples: int) -> Any:
    from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict

    content = RecordDict(
        {
            "arrays": ArrayRecord({name: _array(value) for name, value in params.items()}),
            "metrics": MetricRecord({"num-examples": num_examples}),
        }
    )
    return Message(content=content, reply_to=request)
