"""Which ways are worth a look, by what trains."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.ways.jobs import job_of
from headstart.engine.protocol import Job
from headstart.engine.ways.families import family_of, rule_for
from headstart.models.lora import Lora
from headstart.models.model import Model, cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec
from headstart.testing import open_world

SHAPES = {"small-cnn": (1, 8, 8), "resnet-18": (3, 32, 32), "mlp": (12,), "linear": (12,)}


def model_of(backbone: str, trainable: Any = "all") -> Model:
    spec = ModelSpec(backbone=backbone)
    network, weights = build(spec, shape=SHAPES[backbone], num_classes=3, from_scratch=True, seed=0)
    return cut_at(network, weights, trainable)[0]


def job_for(model: Model, **changes: Any) -> Job:
    return replace(job_of(open_world("all")), model=model, **changes)


@pytest.mark.parametrize(
    ("backbone", "trainable", "family"),
    [
        ("small-cnn", "all", "convolutional"),
        ("small-cnn", "head", "heads"),
        ("resnet-18", "all", "large convolutional"),
        ("mlp", "all", "small"),
        ("linear", "all", "heads"),
        ("mlp", Lora(rank=2), "adapters"),
    ],
)
def test_a_family_goes_by_what_trains(backbone: str, trainable: Any, family: str) -> None:
    assert family_of(model_of(backbone, trainable)) == family


def ways(job: Job, way: Any = None) -> list[str]:
    return [placement.name for placement in rule_for(job, way).placements]


def test_no_stack_of_convolutions_is_tried_on_a_processor() -> None:
    """They lost in every measurement."""
    job = job_for(model_of("small-cnn"))
    assert ways(job) == ["grouped 5", "workers, channels last", "workers"]
    assert not rule_for(job, None).is_timed


def test_a_way_that_was_asked_for_is_the_only_one() -> None:
    job = job_for(model_of("small-cnn"))
    assert {placement.way for placement in rule_for(job, "loop").placements} == {"loop"}
    assert ways(job, "workers") == ["workers, channels last", "workers"]
    assert ways(job, "stack") == ["stack"]
    assert ways(job_for(model_of("mlp")), "grouped") == ["grouped 5"]
    assert ways(job_for(model_of("mlp"), cohort_size=1), "grouped") == ["workers"]


def test_heads_are_stacks_but_by_workers() -> None:
    job = job_for(model_of("linear"))
    assert [ways(job, way) for way in (None, "loop", "grouped", "workers")] == [["stack"]] * 3 + [["workers"]]


def test_a_large_network_of_few_clients_may_have_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.engine.ways.families.num_cores", lambda: 8)
    model = model_of("resnet-18")
    assert "loop 1, channels last" in ways(job_for(model, cohort_size=2))
    assert "loop 1, channels last" not in ways(job_for(model, cohort_size=8))
    assert not any("loop" in way for way in ways(job_for(model_of("small-cnn"), cohort_size=2)))


def test_a_card_is_filled_by_the_whole_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes: they cannot share it."""
    monkeypatch.setattr("headstart.engine.rows.RowTable.device", torch.device("cuda"))
    assert ways(job_for(model_of("small-cnn")))[0] == "grouped 0"
    assert ways(job_for(model_of("mlp", Lora(rank=2))))[0] == "stack"
    every = [ways(job_for(model_of(backbone))) for backbone in SHAPES]
    assert not any("workers" in way for found in every for way in found)
