"""Steps by replay are those of one operation after another; what cannot be replayed is not, and is said."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core import trees
from headstart.core.trees import Params
from headstart.engine.clients import Clients
from headstart.engine.ways.graphs import Graphs
from headstart.federate.fedprox import Proximal
from headstart.federate.ffa_lora import FrozenA
from headstart.federate.scaffold import Corrected
from headstart.models.batch import Batch
from headstart.models.cut import Trainable
from headstart.models.lora import Lora
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.training.local import LocalTraining
from pretend_graphs import PretendRecorder

LOCALS = {
    "sgd": LocalTraining(),
    "momentum": LocalTraining(momentum=0.9, weight_decay=0.01),
    "adam": LocalTraining(optimizer="adam", client_lr=0.01, weight_decay=0.01),
    "adamw": LocalTraining(optimizer="adamw", client_lr=0.01, weight_decay=0.01),
    "prox": Proximal(proximal_mu=0.5, momentum=0.5),
    "corrected": Corrected(momentum=0.5),
    "class weights": LocalTraining(balance="loss", optimizer="adam", client_lr=0.01),
}
SAID = "steps are taken one operation after another, not as a recorded graph"
CUTS: dict[str, Trainable] = {"head": "head", "all": "all", "last": 1, "lora": Lora(rank=2), "ffa": FrozenA(rank=2)}


@dataclass(frozen=True)
class _Run:
    """One world's clients, trained some rounds; what they come to, and how."""

    world: World
    local: LocalTraining

    def rounds(self, model: Model, count: int, *, stacked: bool) -> list[Params]:
        """Train; each round goes on from the mean of the last."""
        clients = Clients([one for one in self.world.federation.clients if len(one.train)], self.world.activations)
        shared, found = self.world.params, []
        for turn in range(count):
            found.append(self._round(model, clients, shared, turn, stacked=stacked))
            shared = trees.map_tree(lambda value: value.mean(0), found[-1])
        return found

    def _round(self, model: Model, clients: Clients, shared: Params, turn: int, *, stacked: bool) -> Params:
        local, count = self.local, len(clients.members)
        if stacked:
            data = clients.some(np.arange(count), (0, turn))
            return local.fit(model, trees.broadcast(shared, count), data, epochs=2)
        ones = [clients.one(position, (0, turn)) for position in range(count)]
        return trees.stack([local.fit(model, shared, data, epochs=2) for data in ones])


def _world(cut: Trainable) -> World:
    return open_world(cut, dtype=torch.float64)


def _with_graphs(model: Model, told: list[str]) -> tuple[Model, PretendRecorder]:
    recorder = PretendRecorder()
    return replace(model, replay=Graphs(recorder, told.append)), recorder


def _assert_equal(found: list[Params], right: list[Params]) -> None:
    for one, other in zip(found, right, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            torch.testing.assert_close(one[name], value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stacked", [True, False], ids=["stack", "loop"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("name", LOCALS)
def test_replayed_rounds_are_the_same(name: str, cut: Trainable, stacked: bool) -> None:
    if stacked and cut == "head" and LOCALS[name].optimizer == "sgd" and LOCALS[name].is_plain:
        pytest.skip("heads train in dual form, without batches")
    told: list[str] = []
    run = _Run(_world(cut), replace(LOCALS[name], batch_size=4))
    model, recorder = _with_graphs(run.world.model, told)
    _assert_equal(run.rounds(model, 3, stacked=stacked), run.rounds(run.world.model, 3, stacked=stacked))
    assert 0 < recorder.captured < recorder.replayed
    assert told == []


@pytest.mark.parametrize("name", ["momentum", "adam", "prox", "class weights"])
def test_replayed_rounds_of_groups_are_the_same(name: str) -> None:
    told: list[str] = []
    run = _Run(_world("all"), replace(LOCALS[name], batch_size=4))
    grouped = run.world.model.grouped(run.world.activations.few(run.world.model, 1))
    model, recorder = _with_graphs(grouped, told)
    _assert_equal(run.rounds(model, 3, stacked=True), run.rounds(run.world.model, 3, stacked=True))
    assert 0 < recorder.captured < recorder.replayed
    assert told == []


def _batches(world: World, sizes: list[int]) -> Iterator[Batch]:
    inputs, labels = world.activations.at(world.model), world.activations.labels
    for turn, size in enumerate(sizes):
        rows = torch.arange(turn, turn + size)
        yield Batch(inputs[rows], labels[rows], torch.ones(size), full=True)


def _go(graphs: Graphs, world: World, sizes: list[int], step: Any, name: Any = "step") -> Params:
    return graphs(name, step, world.params, world.params, {}, _batches(world, sizes))[0]


def _plain_step(world: World) -> Any:
    def step(start: Params, params: Params, state: Params, batch: Batch) -> None:
        for name, value in world.model.gradient(params, batch).items():
            params[name].sub_(value, alpha=0.1)

    return step


def _right(world: World, sizes: list[int], step: Any) -> Params:
    params = trees.clone(world.params)
    for batch in _batches(world, sizes):
        step(world.params, params, {}, batch)
    return params


def test_every_shape_of_batch_has_a_record_once_it_has_come_often() -> None:
    world, recorder = _world("head"), PretendRecorder()
    sizes = [4, 4, 4, 4, 4, 2, 2, 3, 4, 2, 2]
    found = _go(Graphs(recorder), world, sizes, _plain_step(world))
    _assert_equal([found], [_right(world, sizes, _plain_step(world))])
    assert recorder.captured == 2
    # Of six batches of 4 and four of 2, three are taken first and one to compare; one of 3 is never recorded.
    assert (recorder.warmed, recorder.replayed) == (4 + 4 + 1, 3 + 1)


def test_arguments_stay_as_they_are_and_results_are_no_ones_memory() -> None:
    world = _world("head")
    graphs, before = Graphs(PretendRecorder()), trees.clone(world.params)
    first = _go(graphs, world, [4] * 6, _plain_step(world))
    kept = trees.clone(first)
    _go(graphs, world, [3] * 6, _plain_step(world))
    _assert_equal([world.params, first], [before, kept])


def _reading(world: World) -> Any:
    """A step whose size depends on a number that Python reads."""

    def step(start: Params, params: Params, state: Params, batch: Batch) -> None:
        for name, value in world.model.gradient(params, batch).items():
            params[name].sub_(value, alpha=0.1 * float(batch.inputs.abs().max()))

    return step


def _replacing(world: World) -> Any:
    """A step that puts new tensors in the places of the old ones."""

    def step(start: Params, params: Params, state: Params, batch: Batch) -> None:
        for name, value in world.model.gradient(params, batch).items():
            params[name] = params[name] - 0.1 * value

    return step


def _counting(world: World) -> Any:
    """A step that Python makes ever smaller."""
    steps: list[int] = []

    def step(start: Params, params: Params, state: Params, batch: Batch) -> None:
        steps.append(1)
        for name, value in world.model.gradient(params, batch).items():
            params[name].sub_(value, alpha=1.0 / len(steps))

    return step


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_reading, "operation not permitted when stream is capturing: aten::_local_scalar_dense"),
        (_replacing, "it puts other tensors in the places of its parameters"),
    ],
)
def test_what_cannot_be_recorded_goes_on_as_it_began_and_is_said_once(make: Any, why: str) -> None:
    world, recorder, told = _world("head"), PretendRecorder(), []
    graphs = Graphs(recorder, told.append)
    for sizes in ([4] * 8, [4, 4, 3, 3, 3, 3, 4]):
        _assert_equal([_go(graphs, world, sizes, make(world))], [_right(world, sizes, make(world))])
    assert told == [f"{SAID}: {why}"]
    assert recorder.replayed == 0


def test_a_replay_that_gives_other_numbers_is_not_used() -> None:
    world, recorder, told = _world("head"), PretendRecorder(), []
    _go(Graphs(recorder, told.append), world, [4] * 8, _counting(world))
    assert told == [
        "steps are taken one operation after another, not as a recorded graph: its replay gave other numbers"
    ]
    assert recorder.replayed == 1


def test_a_client_whose_numbers_are_not_finite_says_nothing_against_a_record() -> None:
    world, recorder, told = _world("head"), PretendRecorder(), []
    params = trees.map_tree(lambda value: torch.full_like(value, torch.nan), world.params)
    Graphs(recorder, told.append)("step", _plain_step(world), params, params, {}, _batches(world, [4] * 6))
    assert (told, recorder.replayed) == ([], 3)


def test_an_error_of_a_clients_own_step_is_raised() -> None:
    world = _world("head")

    def fails(*_: Any) -> None:
        raise ValueError("its labels are words")

    with pytest.raises(ValueError, match="its labels are words"):
        _go(Graphs(PretendRecorder()), world, [4], fails)


def test_few_kinds_of_steps_are_kept() -> None:
    world, recorder = _world("head"), PretendRecorder()
    graphs, step = Graphs(recorder), _plain_step(world)
    for turn in (*range(9), 0):
        _go(graphs, world, [4] * 4, step, name=turn)
    assert recorder.captured == 10
    _go(graphs, world, [4] * 4, step, name=0)
    assert recorder.captured == 10


def test_ever_other_shapes_are_taken_as_they_come() -> None:
    world, recorder = _world("head"), PretendRecorder()
    sizes = [*range(1, 18), *[17] * 4]
    found = _go(Graphs(recorder), world, sizes, _plain_step(world))
    _assert_equal([found], [_right(world, sizes, _plain_step(world))])
    assert recorder.captured == 0


def test_settings_without_a_hash_are_no_names() -> None:
    world, recorder = _world("head"), PretendRecorder()
    found = _go(Graphs(recorder), world, [4] * 6, _plain_step(world), name=(["a", "list"],))
    _assert_equal([found], [_right(world, [4] * 6, _plain_step(world))])
    assert recorder.captured == 0


class _Forgetful(PretendRecorder):
    """Its replays leave one tensor as it was."""

    def __init__(self, forgotten: str) -> None:
        super().__init__()
        self.forgotten = forgotten
        self.params: Params = {}

    def capture(self, step: Any) -> Any:
        replay = super().capture(step)

        def forgetful() -> None:
            before = self.params[self.forgotten].clone()
            replay()
            self.params[self.forgotten].copy_(before)

        return forgetful


@pytest.mark.parametrize("forgotten", ["head.weight", "head.bias"])
def test_a_replay_that_leaves_one_tensor_as_it_was_is_not_used(forgotten: str) -> None:
    world, recorder, told = _world("head"), _Forgetful(forgotten), []
    plain = _plain_step(world)

    def step(start: Params, params: Params, state: Params, batch: Batch) -> None:
        recorder.params = params
        plain(start, params, state, batch)

    found = _go(Graphs(recorder, told.append), world, [4] * 8, step)
    _assert_equal([found], [_right(world, [4] * 8, plain)])
    assert told == [f"{SAID}: its replay gave other numbers"]


def test_ending_a_record_that_failed_hides_not_what_failed() -> None:
    """It raises an error of its own, which says less."""
    world, told = _world("head"), []
    found = _go(Graphs(_Failing(), told.append), world, [4] * 6, _plain_step(world))
    _assert_equal([found], [_right(world, [4] * 6, _plain_step(world))])
    assert told == [f"{SAID}: no kernel for this"]


class _Failing(PretendRecorder):
    def capture(self, step: Any) -> Any:
        try:
            raise RuntimeError("no kernel for this\nat all")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
