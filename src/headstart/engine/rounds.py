"""The round loop: the same for every method and every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headstart.core.arrays import Array
from headstart.core.errors import ClientError, SettingError
from headstart.core.trees import Params, Tree
from headstart.data.federation import Client
from headstart.data.roster import Roster
from headstart.engine.clients import Clients
from headstart.engine.cohort import Cohort, adding_of, check_failures, sample_cohort
from headstart.engine.features.activations import Activations
from headstart.engine.order import Order, keyed_order
from headstart.engine.privates import ByClient, PrivateStore
from headstart.engine.protocol import Engine, Job
from headstart.engine.received import Federated
from headstart.federate.protocol import Federate, Schedule
from headstart.models.model import Model
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining

OnRound = Callable[[Federated], None]
"""Told what the stage has come to; private trees change from round to round."""

Sample = Callable[[int, Schedule, int, int], Array]
"""``sample(population, schedule, seed, round)``: positions of a round's clients among those sorted by id."""


def run_rounds(
    method: Federate,
    model: Model,
    params: Params,
    clients: Sequence[Client],
    activations: Activations,
    *,
    engine: Engine,
    seed: int,
    max_bad_clients: float = 0.5,
    on_round: OnRound | None = None,
    sample: Sample | None = None,
    order: Order = keyed_order,
    begin: Federated | None = None,
    fewest: int = 0,
) -> Federated:
    """Run a federated method to its last round.

    Args:
        method: what the clients and the server do.
        model: cut as the method says.
        params: the trainable parameters to start from.
        clients: those that may take part, in any order.
        activations: of the federation's examples.
        engine: where client work runs.
        seed: with the round and a client's id it fixes every random choice.
        max_bad_clients: share of a cohort that may fail before the run stops.
        on_round: called once before the first round, and after every one.
        sample: who takes part in a round; None draws by the seed.
        order: in which order clients meet their examples.
        begin: where an earlier run stood, whose clients keep their private trees themselves; None begins anew.
        fewest: answers whose noise makes up a round's, where clients add their own; 0 draws it here, by the seed.

    Raises:
        ClientError: more than the allowed share of a cohort failed, or no round got an update.
        SettingError: the method shares nothing at this cut, or clips what is no update.
    """
    _check_clip(method)
    shared, newcomer, state = method.init(model, params)
    check_shares(shared)
    everyone = Clients(members(clients), activations, order)
    privates = PrivateStore(newcomer, len(everyone.members))
    now = begin or Federated(shared, ByClient(privates, everyone.members), newcomer, state=state)
    tell = on_round or (lambda _: None)
    tell(now)
    with engine.crew(job_of(method, model, params, everyone, privates, fewest)) as crew:
        for number in range(now.rounds, method.schedule.rounds):
            chosen = (sample or sample_cohort)(len(everyone.members), method.schedule, seed, number)
            cohort = Cohort(method, everyone, privates, now, seed, fewest)
            cohort.collect(crew.map(now.shared, chosen, (seed, "round", number)))
            check_failures(cohort.excluded, len(chosen), max_bad_clients, number)
            now = cohort.served(model, len(chosen))
            tell(now)
    _check_updates(now)
    return now


def check_shares(shared: Tree) -> None:
    """Refuse a method that shares nothing at its cut.

    Raises:
        SettingError: it does.
    """
    if not shared:
        raise SettingError(
            "federate.trainable: must leave the clients something to share, received a cut above which the method "
            "keeps everything private; train more blocks, or federate nothing"
        )


def _check_clip(method: Federate) -> None:
    """Refuse to clip what is no mean: the length of a sum says how many examples a client has."""
    norm = method.schedule.clip_norm
    if method.reduce != "mean" and norm is not None:
        raise SettingError(
            f"federate.clip_norm: is for methods that average updates, received {norm:g} with one that does not; "
            "leave it out"
        )


def _check_updates(now: Federated) -> None:
    """Refuse rounds that have changed nothing.

    Raises:
        ClientError: no client's update was used; with the reason why the first was left out.
    """
    if not now.traffic.upload:
        why = f"; the first left out, '{now.excluded[0].client}': {now.excluded[0].reason}" if now.excluded else ""
        raise ClientError(
            f"federate: needs an update of some client, received none in {now.rounds} rounds{why}; check that clients "
            f"have training examples and may send, lower client_dropout or client_lr"
        )


def members(clients: Sequence[Client]) -> Sequence[Client]:
    """Return the clients with training examples, sorted by id."""
    if isinstance(clients, Roster):
        return clients
    return sorted((client for client in clients if len(client.train)), key=lambda client: client.id)


def job_of(
    method: Federate, model: Model, params: Params, clients: Clients, privates: PrivateStore, fewest: int = 0
) -> Job:
    """Return what a federated stage's clients do in every round; arguments as of :func:`run_rounds`.

    Args:
        method: what the clients and the server do.
        model: cut as the method says.
        params: the trainable parameters to start from.
        clients: by position.
        privates: their private trees.
        fewest: answers whose noise makes up a round's.
    """

    def work(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        return method.client_update(model, shared, private, data)

    size = method.schedule.cohort_of(len(clients.members))
    dtype = next(iter(params.values())).dtype
    return Job(
        work,
        model,
        clients,
        privates,
        batch_size=batch_size_of(method),
        cohort_size=size,
        dtype=dtype,
        is_summed=method.reduce == "sum",
        adding=adding_of(method, fewest),
    )


def batch_size_of(method: object) -> int:
    """Return the size of a method's minibatches; the usual one, if it takes no steps."""
    local = getattr(method, "local", None)
    return local.batch_size if isinstance(local, LocalTraining) else LocalTraining().batch_size
