"""What a step costs here is measured once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.ways.jobs import job_of
from headstart.core.machine import num_cores
from headstart.engine.ways.calibration import measure, why_no_stack
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.placement import cheapest
from headstart.models.batch import Batch
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareVectors
from headstart.testing import open_world


def test_a_calibration_is_done_once_and_kept(tmp_path: Path) -> None:
    world = open_world("all")
    job = job_of(world)
    first = Fleet(folder=tmp_path).placement(job)
    (path,) = tmp_path.glob("*.json")
    before = path.stat().st_mtime_ns
    assert Fleet(folder=tmp_path).placement(job) == first
    assert path.stat().st_mtime_ns == before


def test_a_batch_larger_than_the_data_can_be_calibrated() -> None:
    world = open_world("all")
    job = replace(job_of(world), batch_size=len(world.federation.examples) + 5)
    assert Fleet().placement(job).way in ("stack", "loop", "workers")


def test_a_layout_that_modules_do_not_know_is_no_way() -> None:
    world = open_world("all")
    found = replace(measure(job_of(world)), loop={"1": 1.0, str(num_cores()): 1.0})
    assert not cheapest(found, clients=4, steps=3, cores=num_cores(), workers=2).channels_last


class _Once(nn.Module):
    """Looks at its values, which a stack has none of."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden if float(hidden.detach().max()) > -1e9 else -hidden


class _FirstOnly(torch.autograd.Function):
    """Has another gradient where clients are stacked."""

    @staticmethod
    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return hidden.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> torch.Tensor:
        return slope

    @staticmethod
    def vmap(info: Any, in_dims: Any, hidden: torch.Tensor) -> Any:
        return 2 * hidden, in_dims[0]


class _Doubles(nn.Module):
    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return _FirstOnly.apply(hidden)  # type: ignore[no-untyped-call, no-any-return]


@pytest.mark.parametrize(
    ("layer", "words"),
    [(nn.ReLU(), ""), (_Once(), "vmap: "), (_Doubles(), "its gradients in a stack are others than alone")],
)
def test_what_cannot_be_stacked_says_why(layer: nn.Module, words: str) -> None:
    blocks = [nn.Sequential(nn.Linear(4, 4), layer)]
    network = Network(blocks, num_features=4, num_classes=2, prepare=PrepareVectors(), name="x")
    weights = {name: value.detach() for name, value in network.named_parameters()}
    model, params = cut_at(network, weights, "all")
    batch = Batch(torch.randn(3, 4), torch.zeros(3, dtype=torch.int64), torch.ones(3), full=True)
    assert why_no_stack(model, params, batch).startswith(words)
    assert bool(why_no_stack(model, params, batch)) == bool(words)
