"""The frozen part is computed once, and found again by content."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from counting import Counting
from headstart.core.files import write_json
from headstart.core.trees import Params
from headstart.engine.features.activations import Activations, Progress
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.federate import FedAvg, Schedule
from headstart.models.cut import Trainable
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.testing import World, open_world, small_federation


@pytest.fixture
def world() -> World:
    return open_world("head")


def dying_after(rows: int) -> Progress:
    """Let a pass die once so many rows are done."""

    def told(_: str, done: int, total: int) -> None:
        if done > rows:
            raise KeyboardInterrupt

    return told


def recut(world: World, trainable: Trainable, change: Callable[[Params], Params] = lambda p: p) -> Model:
    weights = change(world.model.weights(world.params))
    return cut_at(world.model.network, weights, trainable)[0]


def test_rounds_and_clients_share_one_forward_pass(world: World, passes: list[int]) -> None:
    method = FedAvg(trainable="head", schedule=Schedule(rounds=7))
    clients = world.federation.seen_clients
    for seed in (0, 1):
        run_rounds(method, world.model, world.params, clients, world.activations, engine=Fleet(), seed=seed)
    assert sum(passes) == len(world.federation.examples)


def test_they_are_what_the_frozen_part_gives(world: World) -> None:
    inputs = torch.from_numpy(world.federation.examples.inputs)
    expected = world.model.activations(inputs)
    torch.testing.assert_close(Activations(world.federation.examples, most_rows=7).at(world.model), expected)
    everything = recut(world, "all")
    assert torch.equal(Activations(world.federation.examples).at(everything), inputs), "cut 0 is the raw input"


def test_another_process_finds_them_on_disk(world: World, passes: list[int], tmp_path: Path) -> None:
    first = Activations(world.federation.examples, tmp_path)
    computed = first.at(world.model).clone()
    done = len(passes)
    second = Activations(small_federation().examples, tmp_path)
    assert torch.equal(second.at(recut(world, "head")), computed)
    assert len(passes) == done


def test_a_head_of_other_weights_has_the_same_activations(world: World) -> None:
    other = recut(world, "head", lambda p: {**p, "head.weight": p["head.weight"] + 1})
    assert world.activations.key(other) == world.activations.key(world.model)


def test_the_name_changes_with_weights_data_cut_and_type(world: World) -> None:
    examples = world.federation.examples
    inputs = examples.inputs.copy()
    inputs[0, 0, 0, 0] ^= 1
    other_weights = recut(world, "head", lambda p: {**p, "blocks.0.0.bias": p["blocks.0.0.bias"] + 1e-6})
    names = {
        Activations(examples).key(world.model),
        Activations(replace(examples, inputs=inputs)).key(world.model),
        Activations(examples).key(other_weights),
        Activations(examples).key(recut(world, 1)),
        Activations(examples).key(recut(world, "head", lambda p: {n: v.double() for n, v in p.items()})),
    }
    assert len(names) == 5


def test_a_block_without_weights_is_in_the_name(world: World) -> None:
    blocks = [torch.nn.Flatten(), torch.nn.Tanh(), torch.nn.Tanh()]
    network = Network(blocks, num_features=64, num_classes=3, prepare=lambda x: x.float(), name="tanh")
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    names = {world.activations.key(cut_at(network, weights, k)[0]) for k in (1, 2, "head")}
    assert len(names) == 3


def test_labels_do_not_matter(world: World) -> None:
    examples = world.federation.examples
    other = replace(examples, labels=np.zeros_like(examples.labels))
    assert Activations(other).key(world.model) == Activations(examples).key(world.model)


def test_progress_is_told_to_the_last_row(world: World) -> None:
    told: list[tuple[str, int, int]] = []
    examples = world.federation.examples
    Activations(examples, progress=Counting(lambda *facts: told.append(facts)), most_rows=40).at(world.model)
    count = len(world.federation.examples)
    assert told == [("features", min(n, count), count) for n in range(40, count + 40, 40)]


@pytest.mark.parametrize(("sync_seconds", "kept"), [(0, 30), (1000, 0)], ids=["noted", "killed before the first note"])
def test_a_killed_pass_goes_on_where_it_was(
    world: World, passes: list[int], tmp_path: Path, sync_seconds: float, kept: int
) -> None:
    """The fourth batch is computed, and its note is never written."""
    examples, settings = world.federation.examples, {"most_rows": 10, "sync_seconds": sync_seconds}
    with pytest.raises(KeyboardInterrupt):
        Activations(examples, tmp_path, progress=Counting(dying_after(30)), **settings).at(world.model)  # type: ignore[arg-type]
    assert passes == [10, 10, 10]
    passes.clear()
    found = Activations(examples, tmp_path).at(world.model)
    assert sum(passes) == len(examples) - kept
    torch.testing.assert_close(found, Activations(examples).at(world.model))
    assert [path.name for path in tmp_path.iterdir()] == [f"{world.activations.key(world.model)}.npy"]


@pytest.mark.parametrize("row", [0, 17, 29])
def test_rows_that_were_damaged_after_a_kill_are_not_gone_on_from(
    world: World, passes: list[int], tmp_path: Path, row: int
) -> None:
    """One bit in the middle of a block; the finished array's checksum would be that of a wrong number."""
    examples, key = world.federation.examples, world.activations.key(world.model)
    with pytest.raises(KeyboardInterrupt):
        Activations(examples, tmp_path, progress=Counting(dying_after(30)), most_rows=10, sync_seconds=0).at(
            world.model
        )
    passes.clear()
    rows = np.lib.format.open_memmap(tmp_path / f"{key}.partial.npy", mode="r+")
    rows.view(np.uint8).reshape(len(rows), -1)[row, 5] ^= 1
    rows.flush()
    found = Activations(examples, tmp_path).at(world.model)
    assert sum(passes) == len(examples)
    torch.testing.assert_close(found, Activations(examples).at(world.model), rtol=0, atol=1e-6)


def test_rows_that_a_note_does_not_count_are_computed_again(world: World, tmp_path: Path) -> None:
    """A note without its rows, as when the array was deleted to make room, is no start to go on from."""
    examples, key = world.federation.examples, world.activations.key(world.model)
    note = {"contents": len(examples), "recipe": {}, "done": 50, "rows": 0}
    write_json(tmp_path / f"{key}.partial.json", note)
    found = Activations(examples, tmp_path).at(world.model)
    torch.testing.assert_close(found, Activations(examples).at(world.model))


@pytest.mark.parametrize("on_disk", [False, True])
def test_equal_pictures_are_computed_once(world: World, passes: list[int], tmp_path: Path, on_disk: bool) -> None:
    examples = world.federation.examples
    rows = np.concatenate([np.arange(10), np.arange(20), np.arange(5)])
    twins = examples.take(rows)
    twins = replace(twins, ids=[str(i) for i in range(len(rows))])
    told: list[int] = []
    expected = world.model.activations(torch.from_numpy(twins.inputs))
    folder = tmp_path if on_disk else None
    found = Activations(twins, folder, progress=Counting(lambda _, done, __: told.append(done))).at(world.model)
    assert sum(passes) == 20
    torch.testing.assert_close(found, expected)
    assert told == [35]


def test_some_rows_are_as_all_rows_give(world: World) -> None:
    rows = torch.tensor([5, 3, 3, 50])
    everything = world.activations.at(world.model)
    torch.testing.assert_close(world.activations.compute(world.model, rows), everything[rows], rtol=0, atol=1e-6)
    assert world.activations.compute(world.model, rows[:0]).shape == (0, *everything.shape[1:])


def test_raw_inputs_are_as_stored(world: World) -> None:
    found = world.activations.raw(slice(3, 5))
    assert torch.equal(found, torch.from_numpy(world.federation.examples.inputs[3:5]))


def test_what_is_read_from_disk_can_be_written_in_memory_without_harm(world: World, tmp_path: Path) -> None:
    Activations(world.federation.examples, tmp_path).at(world.model)
    (file,) = tmp_path.glob("*.npy")
    before = file.read_bytes()
    Activations(world.federation.examples, tmp_path).at(world.model)[0] = 7
    assert file.read_bytes() == before


def test_memory_holds_the_last_four_cuts(world: World, passes: list[int]) -> None:
    activations, count = Activations(world.federation.examples), len(world.federation.examples)
    models = [
        recut(world, "head", lambda p, s=step: {**p, "blocks.0.0.bias": p["blocks.0.0.bias"] + s}) for step in range(6)
    ]
    for model in (*models, *models[2:]):
        activations.at(model)
    assert sum(passes) == 6 * count
    activations.at(models[0])
    assert sum(passes) == 7 * count, "the first is forgotten"


def test_using_an_array_keeps_it(world: World, tmp_path: Path) -> None:
    Activations(world.federation.examples, tmp_path).at(world.model)
    (file,) = tmp_path.glob("*.npy")
    os.utime(file, (1000, 1000))
    Activations(world.federation.examples, tmp_path).at(world.model)
    assert file.stat().st_mtime > 1000


def test_a_full_folder_still_gives_the_numbers(world: World, tmp_path: Path) -> None:
    """An array larger than the folder may hold is used and not kept."""
    found = Activations(world.federation.examples, tmp_path, capacity=10).at(world.model)
    assert len(found) == len(world.federation.examples)
    assert list(tmp_path.glob("*.npy")) == []
