"""A fleet whose data are on a card records its steps; here on a recorder that pretends."""

import gc

import pytest
import torch

from engine.ways.jobs import job_of, results_of
from headstart.core.trees import Params
from headstart.engine.protocol import Chunk
from headstart.engine.rows import RowTable
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.graphs import graphed
from headstart.models.losses import CrossEntropy
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining
from pretend_graphs import PretendRecorder


@pytest.fixture
def deep() -> World:
    return open_world("all", dtype=torch.float64)


def _fit(model: Model, shared: Params, private: Params, data: ClientData) -> tuple[Params, Params]:
    return LocalTraining(batch_size=2).fit(model, shared, data, epochs=2), private


def _say_on_card(monkeypatch: pytest.MonkeyPatch) -> PretendRecorder:
    """Have examples say that they are on a card, and return the recorder of its steps."""
    recorder = PretendRecorder()
    monkeypatch.setattr("headstart.engine.ways.graphs.CudaRecorder", lambda _device: recorder)
    monkeypatch.setattr(RowTable, "device", torch.device("cuda", 0))
    return recorder


def test_steps_are_recorded_and_their_memory_is_given_back(deep: World, monkeypatch: pytest.MonkeyPatch) -> None:
    right = results_of(Fleet(way="loop"), deep, job_of(deep, _fit))
    recorder = _say_on_card(monkeypatch)
    gc.disable()
    try:
        found = results_of(Fleet(way="loop"), deep, job_of(deep, _fit))
        assert recorder.captured
        assert len(recorder.kept) == 0
    finally:
        gc.enable()
    for one, other in zip(found, right, strict=True):
        assert isinstance(one, Chunk)
        assert isinstance(other, Chunk)
        for name, value in other.results[0].items():
            torch.testing.assert_close(one.results[0][name], value, rtol=1e-10, atol=1e-10)


def test_what_cannot_be_recorded_is_said_once(deep: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _say_on_card(monkeypatch)
    monkeypatch.setattr(CrossEntropy, "mean", _reads)
    told: list[str] = []
    fleet = Fleet(way="loop", tell=told.append)
    for _ in range(2):
        results_of(fleet, deep, job_of(deep, _fit))
    assert len(told) == 1
    assert told[0].endswith("operation not permitted when stream is capturing: aten::_local_scalar_dense")


def _reads(loss: CrossEntropy, scores: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Read a number of the batch in Python."""
    losses = torch.nn.functional.cross_entropy(scores, truth, reduction="none")
    return (losses * weights).sum() / float(weights.sum())


def test_a_fleet_may_record_nothing(deep: World, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = _say_on_card(monkeypatch)
    results_of(Fleet(way="loop", graphs=False), deep, job_of(deep, _fit))
    assert recorder.warmed == 0


def test_on_the_processor_nothing_is_recorded(deep: World) -> None:
    job = job_of(deep, _fit)
    with graphed(job) as same:
        assert same is job
