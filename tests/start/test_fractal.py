"""The start that needs no data: what it trains on, and that it learns."""

from dataclasses import replace

import pytest
import torch

from headstart.core.errors import StartError
from headstart.core.task import Task, classification
from headstart.core.trees import Params
from headstart.engine.ways.serial import Serial
from headstart.models.network import Network
from headstart.models.spec import ModelSpec
from headstart.start import METHODS, Fractal
from headstart.study.lab import Lab
from headstart.testing import small_federation
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

THREE = classification(("a", "b", "c"))
METHOD = Fractal(systems=4, pictures=10, epochs=6, local=LocalTraining(client_lr=0.05, batch_size=8, momentum=0.9))
LAB = Lab(small_federation(), ModelSpec(), Serial())


class Build:
    """Builds the small CNN for pictures of a shape."""

    def __init__(self, shape: tuple[int, ...] = (1, 8, 8)) -> None:
        self.shape = shape

    def __call__(self, task: Task, *, from_scratch: bool) -> tuple[Network, Params]:
        assert from_scratch
        return LAB.build(0, from_scratch=True, task=task)


def test_a_network_learns_to_tell_systems_apart_and_gets_a_new_head() -> None:
    told: list[str] = []
    network, weights = METHOD(Build(), THREE, None, 0, told.append)
    before = LAB.build(0, from_scratch=True, task=THREE)[1]
    assert (network.num_classes, tuple(weights["head.weight"].shape)) == (3, (3, 128))
    assert_same("a new head", {"bias": weights["head.bias"]}, {"bias": torch.zeros(3)})
    assert all(not torch.equal(weights[name], before[name]) for name in weights if name.startswith("blocks."))
    losses = [float(text.split()[-1]) for text in told]
    assert losses[-1] < losses[0]


def test_it_is_keyed() -> None:
    few = replace(METHOD, epochs=2)
    first, again, other = (few(Build(), THREE, None, seed)[1] for seed in (0, 0, 1))
    assert_same("one seed", first, again)
    assert not torch.equal(first["blocks.0.0.weight"], other["blocks.0.0.weight"])


def test_large_pictures_are_drawn_small_and_shown_at_their_size() -> None:
    """A walk has so many points per pixel: a side of 8 is shown at 12 x 20 all the same."""
    _, weights = replace(METHOD, epochs=1)(Build((1, 8, 8)), THREE, None, 0)
    assert weights["head.weight"].isfinite().all()


def test_a_step_that_learns_nothing_says_so() -> None:
    harmful = replace(METHOD, local=replace(METHOD.local, client_lr=1e5))
    with pytest.raises(StartError, match=r"start.client_lr: .*fractals held back.*100000 no epoch of 5 did"):
        harmful(Build(), THREE, None, 0)


def test_pictures_of_a_pass_are_those_not_held_back() -> None:
    assert Fractal(systems=3, pictures=10).num_examples == 3 * 8
    assert Fractal(systems=3, pictures=2).num_examples == 3
    assert METHODS["fractal"].build({"systems": 7}).systems == 7
