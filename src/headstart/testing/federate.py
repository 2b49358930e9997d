"""Checks of federated methods, as scikit-learn's ``check_estimator`` checks estimators."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np
import torch

from headstart.core import trees
from headstart.core.trees import Tree
from headstart.data.federation import Client, pooled_client
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.engine.protocol import Engine
from headstart.engine.received import Federated
from headstart.engine.rounds import Sample, members, run_rounds
from headstart.engine.ways.serial import Serial
from headstart.federate.protocol import Federate
from headstart.testing.compare import (
    FORKED,
    Breaking,
    Counting,
    assert_same,
    check_is_frozen,
    fleets,
    label,
    quick,
    variants,
)
from headstart.testing.world import World, open_world

FederateCheck = Callable[[Federate, World], None]

LARGEST = 3
"""Position of the client with the most training examples."""


def check_federate(
    method: Federate,
    *,
    dtype: torch.dtype = torch.float32,
    backbone: str | None = None,
    engine: Engine | None = None,
) -> None:
    """Run every check on a federated method.

    Args:
        method: with its hyper-parameters; rounds and epochs are cut to two.
        dtype: of weights and arithmetic.
        backbone: a built-in network that reads 8 x 8 grey images.
        engine: where client work runs; None means the serial one.

    Raises:
        AssertionError: the method breaks the contract of :class:`headstart.federate.Federate`.

    >>> from headstart.federate import Ridge
    >>> check_federate(Ridge(penalty=0.1))
    """
    for check in FEDERATE_CHECKS:
        check(method, open_world(method.trainable, dtype=dtype, backbone=backbone, engine=engine))


def run(
    method: Federate,
    world: World,
    engine: Engine | None = None,
    clients: Sequence[Client] | None = None,
    sample: Sample | None = None,
) -> Federated:
    """Run a method's rounds in a world."""
    if clients is None:
        clients = pooled_client(world.federation) if method.pooled else world.federation.seen_clients
    engine = engine or world.engine
    return run_rounds(
        method, world.model, world.params, clients, world.activations, engine=engine, seed=0, sample=sample
    )


def check_arguments_unchanged(method: Federate, world: World) -> None:
    """No function changes an argument, and the same arguments give the same result: state in, state out."""
    check_is_frozen(method)
    params = trees.clone(world.params)
    shared, private, state = method.init(world.model, world.params)
    kept = [trees.clone(tree) for tree in (shared, private, state)]
    data = _data(world, LARGEST)
    update, new_private = method.client_update(world.model, shared, private, data)
    combined = _combined(method, world, shared, private)
    sent = trees.clone(combined)
    served = method.server_update(world.model, shared, state, combined)
    method.personal_params(world.model, shared, new_private)
    for name, before, after in zip(
        ("params", "shared", "private", "state", "update"),
        (params, *kept, sent),
        (world.params, shared, private, state, combined),
        strict=True,
    ):
        assert_same(f"{label(method)} changed its argument '{name}'", before, after)
    again = method.client_update(world.model, shared, private, data)[0]
    assert_same(f"{label(method)}.client_update, called twice", update, again)
    for first, second in zip(served, method.server_update(world.model, shared, state, combined), strict=True):
        assert_same(f"{label(method)}.server_update, called twice", first, second)


def _check_trees_keep_their_names(method: Federate, world: World) -> None:
    """Shared, private and server state keep names, shapes and types from round to round."""
    shared, private, state = method.init(world.model, world.params)
    _, new_private = method.client_update(world.model, shared, private, _data(world, LARGEST))
    new_shared, new_state = method.server_update(world.model, shared, state, _combined(method, world, shared, private))
    for what, before, after in (
        ("shared", shared, new_shared),
        ("private", private, new_private),
        ("server", state, new_state),
    ):
        assert_same(f"{label(method)}: the {what} tree of two rounds", _shape(before), _shape(after))


def _check_personal_params(method: Federate, world: World) -> None:
    """Every client, also one that never took part, is evaluated with a full set of finite parameters."""
    method = quick(method)
    federated = run(method, world)
    for client in world.federation.clients:
        found = method.personal_params(world.model, federated.shared, federated.private(client))
        what = f"{label(method)}.personal_params of client '{client.id}'"
        assert_same(f"{what} and the model's parameters", _shape(found), _shape(world.params))
        assert all(value.isfinite().all() for value in found.values()), f"{what}: are not finite"


def _check_is_shared(method: Federate, world: World) -> None:
    """Where private trees are said to serve the shared model alone, all are evaluated with the same."""
    if method.personal:
        return
    found = run(quick(method), world)
    first = method.personal_params(world.model, found.shared, found.newcomer)
    for client, private in found.privates.items():
        own = method.personal_params(world.model, found.shared, private)
        assert_same(
            f"{label(method)}.personal_params of '{client}' and a newcomer, where personal is False", own, first
        )


def _check_private_stays(method: Federate, world: World) -> None:
    """Private state is kept for those who took part, and for no one else."""
    federated = run(quick(method), world)
    expected = {c.id for c in world.federation.seen_clients if len(c.train)} if federated.newcomer else set()
    assert set(federated.privates) == expected, (
        f"{label(method)}: keeps private state of {sorted(federated.privates)}, expected {sorted(expected)}"
    )


def check_engines_agree(method: Federate, world: World, only: Container[str] | None = None) -> None:
    """One client after another, all at once, two at a time, in processes: the same numbers.

    Args:
        method: any.
        world: of examples, and a model cut for the method.
        only: names of the variants to try, in one process; None tries all.
    """
    for name, variant in variants(method, world.model.network.loss, only):
        serial = run(variant, world, Serial())
        for fleet in fleets(world, forks=only is None and name in FORKED):
            what = f"{label(method)}, {name}: serial and {fleet}"
            # Adam divides by the gradient: where that is rounding alone, so is the step.
            tolerance = world.tolerance * (10 if name.startswith("adam") else 1)
            _assert_equal_runs(what, serial, run(variant, world, fleet), tolerance)


def check_client_order(method: Federate, world: World) -> None:
    """The order of the clients changes nothing at all."""
    method = quick(method)
    clients = pooled_client(world.federation) if method.pooled else world.federation.seen_clients
    forwards, backwards = run(method, world, clients=clients), run(method, world, clients=clients[::-1])
    _assert_equal_runs(f"{label(method)}: two orders of clients", forwards, backwards, 0)


def check_deterministic(method: Federate, world: World) -> None:
    """Two runs of one seed are equal to the last bit."""
    method = quick(method)
    _assert_equal_runs(f"{label(method)}: two runs of one seed", run(method, world), run(method, world), 0)


def check_bad_clients(method: Federate, world: World) -> None:
    """Clients that raise or send NaN are named and left out; the result is as if they had not been asked."""
    if method.pooled:
        return
    method = quick(method)
    broken = run(method, world, Breaking(world.engine, raises="c1", diverges="c3"))
    named = {(e.client, e.round) for e in broken.excluded}
    expected = {(client, number) for client in ("c1", "c3") for number in range(method.schedule.rounds)}
    assert named == expected, f"{label(method)}: left out {sorted(named)}, expected {sorted(expected)}"
    everyone = members(world.federation.seen_clients)
    others = np.array([at for at, client in enumerate(everyone) if client.id not in ("c1", "c3")])
    without = run(method, world, sample=lambda *_: others)
    what = f"{label(method)}: a cohort with bad clients, and one without them"
    assert_same(what, broken.shared, without.shared, world.tolerance)


def _check_bytes(method: Federate, world: World) -> None:
    """Bytes counted are those of the tensors that were sent."""
    counting = Counting(world.engine)
    federated = run(quick(method), world, counting)
    counted, sent = federated.traffic, (counting.download, counting.upload)
    assert (counted.download, counted.upload) == sent, f"{label(method)}: counted {counted}, sent {sent}"


def _check_update_sign(method: Federate, world: World) -> None:
    """An averaged update is local - shared: adding it lowers the client's loss; the server steps along it.

    A method that trains for something else than labels says what it lowers in ``objective``.
    """
    if method.reduce != "mean":
        return
    method = quick(method)
    shared, private, state = method.init(world.model, world.params)
    data = _data(world, LARGEST)
    update, new_private = method.client_update(world.model, shared, private, data)
    before = _objective(method, world, shared, private)
    after = _objective(method, world, trees.add(shared, update), new_private)
    assert after < before, f"{label(method)}: shared + update has loss {after:.4f} on its client, shared {before:.4f}"
    served, _ = method.server_update(world.model, shared, state, update)
    along = sum(float((u * (new - old)).sum()) for u, new, old in _triples(update, served, shared))
    assert along > 0, f"{label(method)}: the server steps against the mean update"


FEDERATE_CHECKS: tuple[FederateCheck, ...] = (
    check_arguments_unchanged,
    _check_trees_keep_their_names,
    _check_personal_params,
    _check_is_shared,
    _check_private_stays,
    check_engines_agree,
    check_client_order,
    check_deterministic,
    check_bad_clients,
    _check_bytes,
    _check_update_sign,
)
"""All of them, for ``pytest.mark.parametrize``."""


def _data(world: World, position: int) -> OneClient:
    client = world.federation.clients[position]
    return OneClient(world.activations, client.id, client.train, keyed_order, (0, "check"))


def _combined(method: Federate, world: World, shared: Tree, private: Tree) -> Tree:
    """Return what a server gets: one client's update, or those of two where it sees each."""
    some = (LARGEST, 0) if method.reduce == "each" else (LARGEST,)
    each = [method.client_update(world.model, shared, private, _data(world, position))[0] for position in some]
    return trees.stack(each) if method.reduce == "each" else each[0]


def _shape(tree: Tree) -> Tree:
    """Forget the numbers: what is left to compare are names, shapes and types."""
    return trees.zeros_like(tree)


def _objective(method: Federate, world: World, shared: Tree, private: Tree) -> float:
    """Return what the client's steps lower: the labelled loss, unless the method says otherwise."""
    data, says = _data(world, LARGEST), getattr(method, "objective", None)
    if says:
        return float(says(world.model, shared, private, data).detach())
    params, batch = method.personal_params(world.model, shared, private), data.everything(world.model)
    return float(world.model.loss(world.model.logits(params, batch.inputs), batch).detach())


def _triples(update: Tree, served: Tree, shared: Tree) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    return [(update[name], served[name], shared[name]) for name in shared]


def _assert_equal_runs(what: str, left: Federated, right: Federated, tolerance: float) -> None:
    assert_same(what, left.shared, right.shared, tolerance)
    assert left.privates.keys() == right.privates.keys(), f"{what}: other clients have private state"
    for client, private in left.privates.items():
        # No mean of clients evens out what rounding does to one.
        assert_same(f"{what}, private tree of '{client}'", private, right.privates[client], 10 * tolerance)
    assert left.traffic == right.traffic, f"{what}: other bytes, {left.traffic} and {right.traffic}"
    assert left.excluded == right.excluded, f"{what}: other clients left out"
