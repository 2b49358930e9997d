"""After the last round: clients that choose by their own data do so once more, those that never took part too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.core import trees
from headstart.core.trees import Params, Tree
from headstart.data.federation import Client
from headstart.engine.clients import Clients
from headstart.engine.features.activations import Activations
from headstart.engine.privates import ByClient, PrivateStore
from headstart.engine.protocol import Chunk, Engine, Failure, Job
from headstart.engine.received import Exclusion, Federated
from headstart.engine.rounds import batch_size_of, members
from headstart.federate.protocol import Federate, settles
from headstart.models.model import Model
from headstart.training.client_data import ClientData


def settled(
    method: Federate,
    model: Model,
    params: Params,
    now: Federated,
    clients: Sequence[Client],
    activations: Activations,
    *,
    engine: Engine,
    seed: int,
) -> Federated:
    """Return rounds' result with what each client makes of it; unchanged for methods in which nobody chooses.

    A client whose choice fails is named, and keeps what it had.

    Args:
        method: what the clients and the server did.
        model: cut as the method says.
        params: the trainable parameters that it began with.
        now: what its rounds have come to.
        clients: seen or not; those without training examples have nothing to choose by.
        activations: of the federation's examples.
        engine: where client work runs.
        seed: with a client's id it fixes the order of its examples.
    """
    if not settles(method):
        return now

    def work(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree]:
        return (method.settle(model, shared, private, data),)

    everyone = Clients(members(clients), activations)
    store = PrivateStore(now.newcomer, len(everyone.members))
    for position, client in enumerate(everyone.members):
        if client.id in now.privates:
            store.put(np.array([position]), trees.stack([now.privates[client.id]]))
    dtype, size = next(iter(params.values())).dtype, len(everyone.members)
    job = Job(work, model, everyone, store, batch_size=batch_size_of(method), cohort_size=size, dtype=dtype)
    with engine.crew(job) as crew:
        lost = [_kept(one, store) for one in crew.map(now.shared, np.arange(size), (seed, "settle"))]
    excluded = [Exclusion(everyone.members[at].id, now.rounds, why) for few in lost for at, why in few]
    return replace(now, privates=ByClient(store, everyone.members), excluded=(*now.excluded, *excluded))


def _kept(result: Chunk | Failure, store: PrivateStore) -> list[tuple[int, str]]:
    """Keep what came in; return the positions of clients whose choice failed, with the reason."""
    if isinstance(result, Failure):
        return [(result.position, result.reason)]
    (privates,), positions = result.results, np.asarray(result.positions)
    good = trees.finite_clients(privates).cpu()
    store.put(positions[good.numpy()], trees.take(privates, good))
    return [(int(at), "what it chose has numbers that are not finite") for at in positions[~good.numpy()]]
