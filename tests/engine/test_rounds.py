"""The round loop: cohorts, dropout, failures, traffic."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core import trees
from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.data.federation import Client
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.received import Federated, Traffic
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.serial import OneByOne, Serial
from headstart.federate import FedAvg, Schedule
from headstart.testing import World, open_world
from headstart.testing.compare import Breaking, assert_same
from headstart.training.local import LocalTraining

NOTHING = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def federate(world: World, schedule: Schedule, **settings: Any) -> Federated:
    method = FedAvg(trainable="head", local=LocalTraining(batch_size=4), schedule=schedule)
    asked = {"engine": world.engine, "seed": 0, **settings}
    clients = asked.pop("clients", world.federation.seen_clients)
    return run_rounds(method, world.model, world.params, clients, world.activations, **asked)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(6)))
def test_the_order_of_the_clients_changes_nothing(world: World, order: list[int]) -> None:
    schedule = Schedule(rounds=2, cohort_size=3)
    clients = world.federation.seen_clients
    plain, shuffled = federate(world, schedule), federate(world, schedule, clients=[clients[i] for i in order])
    assert_same("two orders", plain.shared, shuffled.shared)


def test_held_out_and_empty_clients_take_no_part(world: World) -> None:
    sizes = Recording(world.engine)
    federate(world, Schedule(rounds=1), engine=sizes)
    assert sizes.cohorts == [["c0", "c1", "c3", "c4", "c5"]]


class Recording:
    """An engine that remembers who worked."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.cohorts = engine, []

    @contextmanager
    def crew(self, job: Job) -> Iterator[Any]:
        self.job = job
        with self.engine.crew(job) as self.inner:
            yield self

    def map(self, shared: Tree, positions: Any, key: Any) -> Iterator[Any]:
        self.cohorts.append([self.job.clients.members[position].id for position in positions])
        return self.inner.map(shared, positions, key)


class AllFail:
    """An engine on which nothing works."""

    def crew(self, job: Job) -> nullcontext[Any]:
        return nullcontext(self)

    def map(self, shared: Tree, positions: Any, key: Any) -> Iterator[Any]:
        return (Failure(int(position), "OSError: no space left") for position in positions)


def test_too_many_failures_stop_the_run_and_say_what_to_do(world: World) -> None:
    with pytest.raises(ClientError) as caught:
        federate(world, Schedule(rounds=2), engine=AllFail())
    message = str(caught.value)
    assert "\n" not in message
    parts = ["round 0", "5 of 5 clients failed", "0.5", "engine.max_bad_clients", "'c0'", "no space left"]
    assert [part for part in parts if part not in message] == []


def test_the_share_of_failures_is_allowed_up_to_and_including_its_bound(world: World) -> None:
    two_of_five = Breaking(world.engine, raises="c0", diverges="c5")
    run = federate(world, Schedule(rounds=2), engine=two_of_five, max_bad_clients=0.4)
    assert [(e.client, e.round) for e in run.excluded] == [("c0", 0), ("c5", 0), ("c0", 1), ("c5", 1)]
    assert "OSError: the disk is full" in run.excluded[0].reason
    assert "not finite" in run.excluded[1].reason
    with pytest.raises(ClientError, match=r"2 of 5 clients failed, more than the share 0.39"):
        federate(world, Schedule(rounds=2), engine=two_of_five, max_bad_clients=0.39)


def test_everything_may_fail_where_that_is_allowed(world: World) -> None:
    told: list[Federated] = []
    with pytest.raises(ClientError, match="received none in 2 rounds; the first left out, 'c0': OSError"):
        federate(world, Schedule(rounds=2), engine=AllFail(), max_bad_clients=1.0, on_round=told.append)
    assert_same("nothing came", told[-1].shared, world.params)
    assert told[-1].rounds == 2
    assert len(told[-1].excluded) == 10
    assert told[-1].traffic.upload == 0


def test_a_round_in_which_nobody_answers_changes_nothing(world: World) -> None:
    told: list[Federated] = []
    with pytest.raises(ClientError, match="needs an update of some client, received none in 1 rounds; check"):
        federate(world, Schedule(rounds=1, client_dropout=0.99), on_round=told.append)
    assert_same("silence", told[-1].shared, world.params)
    assert told[-1].rounds == 1
    assert told[-1].traffic == Traffic()


def test_clients_without_training_examples_give_no_result(world: World) -> None:
    empty = [client for client in world.federation.clients if not len(client.train)]
    with pytest.raises(ClientError, match="clients have training examples"):
        federate(world, Schedule(rounds=2), clients=empty)


def test_rounds_are_told_before_the_first_and_after_each(world: World) -> None:
    told: list[tuple[int, int]] = []
    run = federate(world, Schedule(rounds=3), on_round=lambda now: told.append((now.rounds, now.traffic.total)))
    each = 2 * 5 * trees.num_bytes(world.params)
    assert told == [(0, 0), (1, each), (2, 2 * each), (3, 3 * each)]
    assert run.traffic.total == 3 * each


def test_the_mean_is_weighted_by_examples(world: World) -> None:
    """One step of one pass: the clients' gradients, weighted by their sizes, are the pooled gradient."""
    method = FedAvg(trainable="head", local=LocalTraining(client_lr=0.1, batch_size=100), schedule=Schedule(rounds=1))
    clients = world.federation.seen_clients
    run = run_rounds(method, world.model, world.params, clients, world.activations, engine=world.engine, seed=0)
    pooled = Client("pooled", np.concatenate([c.train for c in clients]), NOTHING, NOTHING)
    once = run_rounds(method, world.model, world.params, [pooled], world.activations, engine=world.engine, seed=0)
    assert_same("weighted mean", run.shared, once.shared, 1e-6)


def test_another_seed_another_run(world: World) -> None:
    schedule = Schedule(rounds=2, cohort_size=2)
    first, second = federate(world, schedule, seed=0), federate(world, schedule, seed=1)
    assert not torch.equal(first.shared["head.weight"], second.shared["head.weight"])


def test_an_update_of_another_shape_is_left_out_and_named(world: World) -> None:
    class Misshapen:
        """Serial, but for the last client's update."""

        def crew(self, job: Job) -> nullcontext[Any]:
            self.inner = OneByOne(job)
            return nullcontext(self)

        def map(self, shared: Tree, positions: Any, key: Any) -> Iterator[Any]:
            *most, last = self.inner.map(shared, positions, key)
            yield from most
            assert isinstance(last, Chunk)
            yield Chunk(
                last.positions, (trees.map_tree(lambda value: value[..., :1], last.results[0]), last.results[1])
            )

    method, seen = FedAvg(schedule=Schedule(rounds=1), trainable="head"), world.federation.seen_clients
    model, params = world.model.recut(world.params, "head")

    def after(clients: Any, engine: Any) -> Federated:
        return run_rounds(method, model, params, clients, world.activations, engine=engine, seed=0)

    members = sorted((client for client in seen if len(client.train)), key=lambda client: client.id)
    found, without = after(seen, Misshapen()), after(members[:-1], Serial())
    assert [(e.client, "shapes" in e.reason) for e in found.excluded] == [(members[-1].id, True)]
    torch.testing.assert_close(found.shared, without.shared)


@pytest.mark.parametrize("aggregate", ["median", "trimmed_mean", "krum"])
def test_robust_aggregates_are_the_same_on_every_engine_and_not_the_mean(world: World, aggregate: Any) -> None:
    schedule = Schedule(rounds=2, aggregate=aggregate)
    found = federate(world, schedule)
    assert_same(aggregate, found.shared, federate(world, schedule, engine=Serial()).shared)
    mean = federate(world, Schedule(rounds=2)).shared
    assert not all(torch.allclose(found.shared[name], mean[name], atol=1e-7) for name in mean)


def test_a_stage_goes_on_from_any_round(world: World) -> None:
    seen: list[Any] = []
    whole = federate(world, Schedule(rounds=3), on_round=seen.append)
    assert [now.rounds for now in seen] == [0, 1, 2, 3]
    again = federate(world, Schedule(rounds=3), begin=seen[2])
    assert_same("resumed", again.shared, whole.shared)
    assert again.traffic == whole.traffic
