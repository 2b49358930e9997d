"""Every method on a card, one that is there or one that pretends, comes to what it comes to on the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from headstart import adapt, federate
from headstart.core.device import CPU, placed
from headstart.engine.adaptation import Evaluation, adapt_and_predict, is_better
from headstart.engine.protocol import Engine
from headstart.engine.received import Received
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.evidence.metrics import Scoring
from headstart.models.cut import Trainable
from headstart.models.lora import Lora
from headstart.testing import open_world
from headstart.testing.compare import assert_same, variants
from headstart.testing.federate import run
from headstart.testing.world import World

from .test_adapt import CUTS as ADAPT_CUTS
from .test_federate import CUTS as FEDERATE_CUTS

ENGINES: dict[str, Engine] = {"serial": Serial(), "fleet": Fleet()}
VARIANTS = ("as given", "adam", "class-weighted loss", "clipped, with noise")
"""How clients train and are drawn where it is tried: one of each kind, for every operation takes its time here."""
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
"""Examples' weights and their sum are float32 whatever the network is."""


def _cases(cuts: dict[str, tuple[Trainable, ...]]) -> list[Any]:
    """Return a parameter ``name, cut, dtype, engine`` for every method; without a card slow tests go one by one."""
    return [
        pytest.param(
            name,
            cut,
            dtype,
            engine,
            id=f"{name}-{'adapters' if isinstance(cut, Lora) else cut}-{way}",
            marks=pytest.mark.slow if way == "serial" and not torch.cuda.is_available() else (),
        )
        for name, some in cuts.items()
        for cut in some
        for (way, engine), dtype in zip(ENGINES.items(), (torch.float32, torch.float64), strict=True)
    ]


def _federated(name: str, cut: Trainable) -> Any:
    entry = federate.METHODS[name]
    return entry.build({"trainable": cut} if "trainable" in entry.settings() else {})


@pytest.mark.parametrize(("name", "cut", "dtype", "engine"), _cases(FEDERATE_CUTS))
def test_federate(card: torch.device, name: str, cut: Trainable, dtype: torch.dtype, engine: Engine) -> None:
    here = open_world(cut, dtype=dtype)
    there = open_world(cut, dtype=dtype, device=card, engine=engine)
    for variant, method in variants(_federated(name, cut)):
        if variant not in VARIANTS[: None if cut == "head" else 1]:
            continue
        right, found = run(method, here), run(method, there)
        what = f"{name}, {variant}"
        assert {value.device.type for value in found.shared.values()} == {card.type}
        assert_same(what, placed(found.shared, CPU), right.shared, TOLERANCE[dtype])
        for client in right.privates:
            assert_same(f"{what}, {client}", placed(found.privates[client], CPU), right.privates[client], 1e-4)


def _adapted(name: str, world: World) -> Evaluation:
    views = {"val": [client.val for client in world.federation.clients]}
    views["test"] = [client.test for client in world.federation.clients]
    return adapt_and_predict(
        adapt.METHODS[name].build({}),
        Received(world.model, world.params),
        world.federation.clients,
        world.activations,
        views,
        engine=world.engine,
        seed=0,
        better=is_better(Scoring(metric="accuracy"), world.federation.task),
    )


@pytest.mark.parametrize(("name", "cut", "dtype", "engine"), _cases(ADAPT_CUTS))
def test_adapt(card: torch.device, name: str, cut: Trainable, dtype: torch.dtype, engine: Engine) -> None:
    norms = adapt.METHODS[name].factory.needs_norms
    right = _adapted(name, open_world(cut, dtype=dtype, norms=norms))
    found = _adapted(name, open_world(cut, dtype=dtype, device=card, engine=engine, norms=norms))
    assert not found.excluded
    assert found.accepted.tolist() == right.accepted.tolist()
    for view, each in right.probabilities.items():
        for own, other in zip(each, found.probabilities[view], strict=True):
            np.testing.assert_allclose(other, own, atol=TOLERANCE[dtype])
