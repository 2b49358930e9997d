"""In which precision networks are computed: the frozen part and what trains, never heads."""

from __future__ import annotations

import pytest
import torch

from headstart.core.content import hash_json
from headstart.core.device import Precision
from headstart.engine.predict import features_of
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import FedAvg
from headstart.models.cut import Trainable
from headstart.models.model import cut_at
from headstart.models.spec import ModelSpec
from headstart.study.lab import Lab
from headstart.testing import World, small_federation
from headstart.testing.compare import fleets, quick
from headstart.testing.federate import run


def _world(cut: Trainable, precision: Precision) -> World:
    lab = Lab(small_federation(), ModelSpec(backbone="small-cnn"), Serial(), precision=precision)
    model, params = cut_at(*lab.begin(0, from_scratch=True), cut)
    return World(lab.federation, model, params, lab.activations)


def test_frozen_features_are_rounded_and_stay_float32() -> None:
    exact, rounded = _world("head", "float32"), _world("head", "bf16")
    right, found = (features_of(world.activations, world.model) for world in (exact, rounded))
    assert found.dtype == torch.float32
    assert 1e-5 < float((found - right).abs().max()) < 2e-2 * float(right.abs().max())
    assert exact.activations.key(exact.model) != rounded.activations.key(rounded.model)


def test_a_head_is_exact_whatever_the_precision() -> None:
    world = _world("head", "bf16")
    features = features_of(world.activations, world.model)[:4]
    plain = features @ world.params["head.weight"].mT + world.params["head.bias"]
    assert torch.equal(world.model.logits(world.params, features), plain)
    whole = _world("all", "bf16")
    assert whole.model.logits(whole.params, whole.activations.raw(slice(0, 2))).dtype == torch.float32


ENGINES = (Serial(), *fleets(_world("all", "float32"), forks=True), Fleet())


@pytest.mark.parametrize("engine", ENGINES, ids=range(len(ENGINES)))
def test_every_way_trains_in_it(engine: Fleet | Serial) -> None:
    method = quick(FedAvg())
    exact, rounded = (run(method, _world("all", precision), engine).shared for precision in ("float32", "bf16"))
    off = max(float((rounded[name] - exact[name]).abs().max()) for name in exact)
    assert 1e-6 < off < 2e-2


def test_what_is_exact_keeps_the_name_that_it_always_had() -> None:
    world = _world("head", "float32")
    usual = hash_json([world.model.frozen_key, world.federation.examples.inputs_key, "folded", "as weights"])
    assert world.activations.key(world.model) == usual
