"""Clipped updates and noise: no client adds more than its share, in every way that clients are trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core import trees
from headstart.core.errors import ClientError, SettingError
from headstart.core.machine import can_fork
from headstart.core.trees import Tree
from headstart.data.federation import Client
from headstart.engine.clipped import clip_factors, noise_like
from headstart.engine.cohort import sample_cohort
from headstart.engine.received import Federated
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS, Federate, Ridge, Schedule
from headstart.testing import World, open_world
from headstart.testing.compare import Breaking, assert_same

CLIP = 0.02


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def run(world: World, *, engine: Any = None, clients: Sequence[Client] | None = None, **settings: Any) -> Federated:
    method = METHODS["fedavg"].build({"trainable": "head", "batch_size": 4, "rounds": 1, **settings})
    return rounds(world, method, engine, clients)


def rounds(world: World, method: Federate, engine: Any, clients: Sequence[Client] | None = None) -> Federated:
    clients = world.federation.seen_clients if clients is None else clients
    return run_rounds(
        method, world.model, world.params, clients, world.activations, engine=engine or world.engine, seed=0
    )


def moved(world: World, found: Federated) -> Tree:
    return trees.subtract(found.shared, world.params)


def norm(tree: Tree) -> float:
    return float(torch.cat([value.flatten().double() for value in tree.values()]).norm())


def members(world: World) -> list[Client]:
    return [client for client in world.federation.seen_clients if len(client.train)]


@pytest.mark.parametrize("client", range(5))
def test_no_update_is_longer_than_the_clip_and_its_direction_stays(world: World, client: int) -> None:
    one = [members(world)[client]]
    long, short = moved(world, run(world, clients=one)), moved(world, run(world, clients=one, clip_norm=CLIP))
    assert norm(long) > CLIP
    assert norm(short) == pytest.approx(CLIP, rel=1e-5)
    assert_same("direction", short, trees.scale(long, CLIP / norm(long)), 1e-6)


def test_a_clip_that_nothing_reaches_leaves_the_mean_of_equal_weights(world: World) -> None:
    each = [moved(world, run(world, clients=[client])) for client in members(world)]
    found = moved(world, run(world, clip_norm=1e6))
    assert_same("equal weights", found, trees.map_tree(lambda value: value.mean(0), trees.stack(each)), 1e-6)


def test_the_length_is_of_all_tensors_together_and_of_many_numbers_exact() -> None:
    many = torch.full((2, 3_000_000), 0.0137)
    few = torch.full((2, 3), 5.0)
    exact = torch.cat([many.double(), few.double()], dim=1).norm(dim=1)
    torch.testing.assert_close(clip_factors({"many": many, "few": few}, 1.0), 1 / exact, rtol=1e-5, atol=0)


def test_an_update_of_zeros_stays_and_one_that_is_not_finite_has_no_factor() -> None:
    factors = clip_factors({"w": torch.tensor([[0.0, 0.0], [float("nan"), 1.0]])}, 1.0)
    assert factors[0] == 1
    assert factors[1].isnan()


ENGINES = {
    "stack": Fleet(way="stack"),
    "small stacks": Fleet(way="stack", chunk_bytes=1),
    "loop": Fleet(way="loop"),
    **({"workers": Fleet(way="workers", workers=2)} if can_fork() else {}),
}


@pytest.mark.parametrize("name", ENGINES)
def test_every_way_to_train_clips_alike_and_draws_the_same_noise(world: World, name: str) -> None:
    settings = {"rounds": 3, "cohort_size": 3, "clip_norm": CLIP, "noise_multiplier": 0.7}
    assert_same(
        name, run(world, **settings, engine=ENGINES[name]).shared, run(world, **settings, engine=Serial()).shared, 1e-5
    )


def test_the_noise_is_as_large_as_it_says_and_another_every_round_and_seed() -> None:
    tree = {"w": torch.zeros(400, 400), "b": torch.zeros(400, dtype=torch.float64)}
    first, second, other = (noise_like(tree, 0.3, *key) for key in ((0, "noise", 0), (0, "noise", 1), (1, "noise", 0)))
    assert float(first["w"].std()) == pytest.approx(0.3, rel=0.01)
    assert abs(float(first["w"].mean())) < 0.003
    assert (first["w"].dtype, first["b"].dtype) == (torch.float32, torch.float64)
    for two in (second, other):
        assert abs(float(torch.corrcoef(torch.stack([first["w"].flatten(), two["w"].flatten()]))[0, 1])) < 0.01
    assert_same("the same key", first, noise_like(tree, 0.3, 0, "noise", 0))


def test_the_noise_on_the_mean_is_its_multiple_of_the_clip_over_the_cohort(world: World) -> None:
    quiet = moved(world, run(world, clip_norm=CLIP))
    noisy = moved(world, run(world, clip_norm=CLIP, noise_multiplier=2.0))
    drawn = noise_like(world.params, 2.0 * CLIP, 0, "noise", 0)
    assert_same("noise", trees.subtract(noisy, quiet), trees.scale(drawn, 1 / 5), 1e-6)


def test_who_fails_or_drops_out_adds_nothing_and_the_cohort_keeps_its_size(world: World) -> None:
    settings = {"clip_norm": CLIP, "noise_multiplier": 1e-6}
    broken = moved(world, run(world, **settings, engine=Breaking(world.engine, raises="c1", diverges="c3")))
    others = [client for client in members(world) if client.id not in ("c1", "c3")]
    mean_of_three = moved(world, run(world, clip_norm=CLIP, clients=others))
    assert_same("three of five", broken, trees.scale(mean_of_three, 3 / 5), 1e-5)


def test_a_round_in_which_nobody_answers_is_noise(world: World) -> None:
    told: list[Federated] = []
    method = METHODS["fedavg"].build(
        {"trainable": "head", "rounds": 1, "client_dropout": 0.99, "clip_norm": CLIP, "noise_multiplier": 1.0}
    )
    with pytest.raises(ClientError, match="received none"):
        run_rounds(
            method, world.model, world.params, members(world), world.activations,
            engine=world.engine, seed=0, on_round=told.append,
        )  # fmt: skip
    drawn = noise_like(world.params, CLIP / 5, 0, "noise", 0)
    assert_same("silence", trees.subtract(told[-1].shared, world.params), drawn, 1e-6)


def test_under_noise_every_client_is_drawn_on_its_own() -> None:
    schedule = Schedule(cohort_size=3, clip_norm=1.0, noise_multiplier=1.0)
    drawn = np.zeros((2000, 12))
    for number in range(2000):
        drawn[number, sample_cohort(12, schedule, 0, number)] = 1
    np.testing.assert_allclose(drawn.mean(0), 3 / 12, atol=0.04)
    assert drawn.sum(1).std() == pytest.approx((12 * 0.25 * 0.75) ** 0.5, rel=0.1)
    # Of a cohort of a fixed size, others would be drawn the less.
    assert np.abs(np.corrcoef(drawn.T)[np.triu_indices(12, 1)]).max() < 0.08
    everyone = Schedule(clip_norm=1.0, noise_multiplier=1.0)
    assert sample_cohort(12, everyone, 0, 0).tolist() == list(range(12))


def test_bytes_are_those_of_the_same_rounds_without_noise(world: World) -> None:
    assert run(world, clip_norm=CLIP, noise_multiplier=1.0).traffic == run(world).traffic


def test_sums_are_not_clipped(world: World) -> None:
    class Clipped(Ridge):
        schedule = Schedule(rounds=1, clip_norm=1.0)

    with pytest.raises(
        SettingError, match=r"federate\.clip_norm: is for methods that average updates, received 1 with"
    ):
        rounds(world, Clipped(), None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"noise_multiplier": 1.5}, "noise_multiplier: needs clip_norm, of which .* received 1.5 without; add"),
        ({"clip_norm": 1.0, "aggregate": "median"}, "clip_norm: needs aggregate = 'mean', received 1 with 'median'"),
        ({"clip_norm": 0.0}, "clip_norm: must be greater than 0, received 0.0"),
        ({"clip_norm": 1.0, "noise_multiplier": -1.0}, "noise_multiplier: must be greater than or equal to 0, rec"),
        ({"clip_norm": 1.0, "noise_multiplier": float("inf")}, "noise_multiplier: must be a finite number"),
    ],
)
def test_what_may_not_go_together_is_one_error(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        METHODS["fedavg"].build(settings)


@pytest.mark.parametrize("method", ["ridge", "ncm", "lda", "pooled"])
def test_other_methods_do_not_have_it(method: str) -> None:
    with pytest.raises(SettingError, match="noise_multiplier: unknown setting"):
        METHODS[method].build({"noise_multiplier": 1.0})


def test_clients_that_add_their_own_noise_are_neither_clipped_again_nor_given_more(world: World) -> None:
    settings = {"trainable": "head", "batch_size": 4, "rounds": 1, "clip_norm": CLIP, "noise_multiplier": 1.0}
    method = METHODS["fedavg"].build(settings)
    found = run_rounds(
        method, world.model, world.params, members(world), world.activations, engine=world.engine, seed=0, fewest=3
    )
    each = [moved(world, run(world, clients=[client])) for client in members(world)]
    assert_same(
        "as they came", moved(world, found), trees.map_tree(lambda value: value.mean(0), trees.stack(each)), 1e-6
    )


def test_too_few_of_them_stop_the_run(world: World) -> None:
    settings = {"trainable": "head", "rounds": 1, "clip_norm": CLIP, "noise_multiplier": 1.0}
    broken = Breaking(world.engine, raises="c1", diverges="c3")
    with pytest.raises(ClientError, match=r"round 0: 3 clients answered, whose noise together is less .* it takes 4"):
        run_rounds(
            METHODS["fedavg"].build(settings), world.model, world.params, members(world), world.activations,
            engine=broken, seed=0, fewest=4,
        )  # fmt: skip


def test_noise_does_not_depend_on_the_order_of_names() -> None:
    made = {"head.weight": torch.zeros(3, 2), "head.bias": torch.zeros(3)}
    first, second = noise_like(made, 1.0, 0, "noise"), noise_like(dict(sorted(made.items())), 1.0, 0, "noise")
    assert all(torch.equal(first[name], second[name]) for name in made)
