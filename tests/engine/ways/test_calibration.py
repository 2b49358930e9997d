"""What a step costs here is measured once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.ways.jobs import job_of
from headstart.engine.ways.calibration import measure, name_of_times, step_seconds, why_no_stack, why_not
from headstart.engine.ways.placement import Placement
from headstart.models.batch import Batch
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareVectors
from headstart.testing import open_world

STACK, WORKERS = Placement("stack"), Placement("workers", 2)


def test_a_calibration_is_done_once_and_kept(tmp_path: Path) -> None:
    job = job_of(open_world("all"))
    first = step_seconds(job, [STACK], tmp_path)
    (path,) = tmp_path.glob("*.json")
    both = step_seconds(job, [WORKERS, STACK], tmp_path)
    assert both[STACK] == first[STACK]
    assert list(both) == [WORKERS, STACK]
    before = path.stat().st_mtime_ns
    assert step_seconds(job, [STACK, WORKERS], tmp_path) == both
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", ["{", '{"seconds": {"stack": "soon", "workers": 1.0}}', '{"seconds": 3}'])
def test_times_that_make_no_sense_are_measured_again(tmp_path: Path, content: str) -> None:
    job = job_of(open_world("all"))
    (tmp_path / f"{name_of_times(job)}.json").write_text(content)
    assert all(seconds < 1 for seconds in step_seconds(job, [STACK], tmp_path).values())


def test_times_are_of_a_kind_of_network_on_this_machine() -> None:
    job = job_of(open_world("all"))
    like = replace(job, batch_size=job.batch_size + 1)
    assert name_of_times(job) == name_of_times(like)
    assert name_of_times(job) != name_of_times(replace(job, batch_size=4 * job.batch_size))
    assert name_of_times(job) != name_of_times(job_of(open_world("head")))


def test_a_batch_larger_than_the_data_can_be_calibrated() -> None:
    world = open_world("all")
    job = replace(job_of(world), batch_size=len(world.federation.examples) + 5)
    assert step_seconds(job, [WORKERS], None)[WORKERS] < 60


def test_only_what_is_compared_is_timed() -> None:
    assert list(measure(job_of(open_world("all")), [WORKERS])) == [WORKERS]


def test_why_a_way_is_none() -> None:
    job = job_of(open_world("all"))
    assert why_not(job, WORKERS) == ""
    features = job_of(open_world("head"))
    assert why_not(features, replace(WORKERS, channels_last=True)) == "its inputs are no pictures"
    assert why_not(replace(job, cohort_size=1), Placement("grouped", group=5)) == "one client is no group"


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
