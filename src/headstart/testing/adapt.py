"""Checks of client-side adaptations."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import replace

import numpy as np
import torch

from headstart.adapt.protocol import Adapt
from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.trees import Params, Tree
from headstart.data.federation import Client
from headstart.engine.adaptation import Evaluation, adapt_and_predict
from headstart.engine.clients import Clients
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Engine, Failure, Job
from headstart.engine.received import Received
from headstart.engine.ways.serial import Serial
from headstart.models.model import Model
from headstart.testing.compare import (
    FORKED,
    Breaking,
    assert_same,
    check_is_frozen,
    fleets,
    label,
    own_fields,
    quick,
    variants,
)
from headstart.testing.world import World, open_world
from headstart.training.client_data import ClientData

AdaptCheck = Callable[[Adapt, World], None]


def check_adapt(
    method: Adapt,
    *,
    dtype: torch.dtype = torch.float32,
    backbone: str | None = None,
    engine: Engine | None = None,
) -> None:
    """Run every check on an adaptation.

    Args:
        method: with its hyper-parameters; epochs are cut to two.
        dtype: of weights and arithmetic.
        backbone: a built-in network that reads 8 x 8 grey images.
        engine: where client work runs; None means the serial one.

    Raises:
        AssertionError: the method breaks the contract of :class:`headstart.adapt.Adapt`.

    >>> from headstart.adapt import PersonalRidge
    >>> check_adapt(PersonalRidge())
    """
    for check in ADAPT_CHECKS:
        world = open_world(method.trainable, dtype=dtype, backbone=backbone, engine=engine, norms=method.needs_norms)
        check(method, world)


def adapted(
    method: Adapt, world: World, engine: Engine | None = None, clients: Sequence[Client] | None = None
) -> dict[str, Params]:
    """Return each client's adapted parameters, before it decides whether to keep them."""

    def work(model: Model, params: Tree, private: Tree, data: ClientData) -> tuple[Tree]:
        return (method(model, {**params, **private}, data),)

    clients = clients or world.federation.clients
    team, found = Clients(clients, world.activations), {}
    job = Job(work, world.model, team, PrivateStore({}, len(clients)), dtype=world.params["head.weight"].dtype)
    with (engine or world.engine).crew(job) as crew:
        for result in crew.map(world.params, np.arange(len(clients)), (0, "adapt")):
            assert not isinstance(result, Failure), f"{label(method)}: client '{clients[result.position].id}': {result}"
            for i, position in enumerate(result.positions):
                # Memory that workers share is written again.
                found[clients[position].id] = trees.clone(trees.unstack(result.results[0], i))
    return found


def evaluate(method: Adapt, world: World, engine: Engine, *, accepts: bool) -> Evaluation:
    """Adapt and predict with an accept rule that always says the same."""

    def better(labels: Sequence[Array], received: Sequence[Array], adapted: Sequence[Array]) -> Array:  # noqa: ARG001
        return np.full(len(labels), accepts)

    clients = world.federation.clients
    views = {"val": [client.val for client in clients], "test": [client.test for client in clients]}
    shared = Received(world.model, world.params)
    return adapt_and_predict(method, shared, clients, world.activations, views, engine=engine, seed=0, better=better)


def check_arguments_unchanged(method: Adapt, world: World) -> None:
    """Adapting changes neither what was received nor what is frozen."""
    check_is_frozen(method)
    received, frozen = trees.clone(world.params), trees.clone(world.model.frozen)
    adapted(method, world)
    assert_same(f"{label(method)} changed the parameters received", received, world.params)
    assert_same(f"{label(method)} changed frozen weights", frozen, world.model.frozen)


def _check_names(method: Adapt, world: World) -> None:
    """Adapted parameters have the names, shapes and types of those received, and are finite."""
    for client, params in adapted(quick(method), world).items():
        what = f"{label(method)}, client '{client}'"
        assert_same(f"{what}: adapted and received", trees.zeros_like(params), trees.zeros_like(world.params))
        assert all(value.isfinite().all() for value in params.values()), f"{what}: numbers are not finite"


def _check_changes_nothing(method: Adapt, world: World) -> None:
    """What says that it changes nothing changes nothing: it is not even run."""
    if method.changes_nothing:
        for client, params in adapted(method, world).items():
            assert_same(f"{label(method)} says that it changes nothing, client '{client}'", params, world.params)


def _check_empty_client(method: Adapt, world: World) -> None:
    """A client without training examples has what it received."""
    assert_same(f"{label(method)}: a client without examples", adapted(quick(method), world)["c2"], world.params)


def check_deterministic(method: Adapt, world: World) -> None:
    """Two runs are equal to the last bit."""
    first, second = adapted(quick(method), world), adapted(quick(method), world)
    for client in first:
        assert_same(f"{label(method)}: two runs, client '{client}'", first[client], second[client])


def check_engines_agree(method: Adapt, world: World, only: Container[str] | None = None) -> None:
    """One client after another or all at once: the same numbers.

    Args:
        method: any.
        world: of examples, and a model cut for the method.
        only: names of the variants to try, in one process; None tries all.
    """
    for name, variant in variants(method, world.model.network.loss, only):
        serial = adapted(variant, world, Serial())
        for fleet in fleets(world, forks=only is None and name in FORKED):
            found = adapted(variant, world, fleet)
            for client in serial:
                what = f"{label(method)}, {name}: serial and {fleet}, client '{client}'"
                assert_same(what, serial[client], found[client], world.tolerance)


def _check_predictions_agree(method: Adapt, world: World) -> None:
    """What clients choose and predict is the same on every engine."""
    method = quick(method)
    serial = evaluate(method, world, Serial(), accepts=True)
    for fleet in fleets(world, forks=True):
        found = evaluate(method, world, fleet, accepts=True)
        for position, client in enumerate(world.federation.clients):
            what = f"{label(method)}: serial and {fleet}, client '{client.id}'"
            _assert_same_predictions(what, serial, found, position, world.tolerance)


def check_client_order(method: Adapt, world: World) -> None:
    """The order of the clients does not matter (within the tolerance of the number type: stacks differ)."""
    clients = list(world.federation.clients)
    forwards = adapted(quick(method), world, clients=clients)
    backwards = adapted(quick(method), world, clients=clients[::-1])
    for client in forwards:
        what = f"{label(method)}: two orders of clients, client '{client}'"
        assert_same(what, forwards[client], backwards[client], world.tolerance)


def check_bad_clients(method: Adapt, world: World) -> None:
    """Clients that raise or give NaN are named and keep what they received; the others are as before."""
    if method.changes_nothing:
        return
    method = quick(method)
    good = evaluate(method, world, world.engine, accepts=True)
    broken = evaluate(method, world, Breaking(world.engine, raises="c1", diverges="c3"), accepts=True)
    named = sorted(exclusion.client for exclusion in broken.excluded)
    assert named == ["c1", "c3"], f"{label(method)}: left out {named}, expected c1 and c3"
    received = evaluate(_keep(), world, world.engine, accepts=True)
    for position, client in enumerate(world.federation.clients):
        expected = received if client.id in named else good
        _assert_same_predictions(f"{label(method)}: client '{client.id}'", broken, expected, position, world.tolerance)


def _check_accept_rule(method: Adapt, world: World) -> None:
    """A client that finds the result worse keeps what it received, unless the rule is switched off."""
    if method.changes_nothing:
        return
    method = quick(method)
    received = evaluate(_keep(), world, world.engine, accepts=True)
    refused = evaluate(method, world, world.engine, accepts=False)
    has_val = np.array([len(client.val) > 0 for client in world.federation.clients])
    expected = ~has_val if method.accept else np.ones_like(has_val)
    assert (refused.accepted == expected).all(), f"{label(method)}: accepted {refused.accepted}, expected {expected}"
    for position in np.flatnonzero(~expected).tolist():
        _assert_same_predictions(f"{label(method)}: refused", refused, received, position, world.tolerance)
    if "accept" in own_fields(method):
        forced = evaluate(replace(method, accept=False), world, world.engine, accepts=False)  # type: ignore[type-var]
        assert forced.accepted.all(), f"{label(method)}: accept=False, and yet a client refused"


ADAPT_CHECKS: tuple[AdaptCheck, ...] = (
    check_arguments_unchanged,
    _check_names,
    _check_changes_nothing,
    _check_empty_client,
    check_deterministic,
    check_engines_agree,
    _check_predictions_agree,
    check_client_order,
    check_bad_clients,
    _check_accept_rule,
)
"""All of them, for ``pytest.mark.parametrize``."""


def _keep() -> Adapt:
    from headstart.adapt.keep import Keep

    return Keep()


def _assert_same_predictions(what: str, left: Evaluation, right: Evaluation, position: int, tolerance: float) -> None:
    for view in left.probabilities:
        far = np.abs(left.probabilities[view][position] - right.probabilities[view][position]).max(initial=0)
        assert far <= tolerance, f"{what}: predictions on '{view}' differ by {far:.3g}, allowed {tolerance:.3g}"
