"""An arm over real sites: the model once, rounds, then each site adapts what it received."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from headstart.core.content import SIGNED, hash_json, hash_tree
from headstart.core.damage import Damaged
from headstart.core.errors import SettingError
from headstart.core.files import append_json_line, file_name
from headstart.core.trees import Params, Tree, map_tree, num_bytes
from headstart.core.version import __version__
from headstart.data.federation import Client
from headstart.engine.received import Federated, Received
from headstart.engine.rounds import OnRound, run_rounds
from headstart.federate.closed_form import FeatureSums
from headstart.federate.protocol import Federate
from headstart.models.model import Model, cut_at
from headstart.sites import messages
from headstart.sites.checks import Expected, Possible
from headstart.sites.claims import believed, doubt_evaluation
from headstart.sites.messages import Adapt, Method, Setup, Start, Update
from headstart.sites.noticed import noticed
from headstart.sites.remote import Remote
from headstart.sites.said import Evaluated, Present
from headstart.sites.secure.means import check_methods, weighed
from headstart.sites.server import Server
from headstart.sites.settings import Protection
from headstart.sites.transport import Answer
from headstart.sites.wire import write
from headstart.study.run.facts import pack, unpack
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.trunk import Trunk
from headstart.study.written.arms import Arm
from headstart.study.written.arms import Stage as Written
from headstart.training.client_data import ClientData


@dataclass(frozen=True, eq=False)
class _Standing:
    """Where an arm stands.

    Attributes:
        trunk: what its stages have come to.
        setup: what requests say of data and model.
        held: the model that the sites hold.
        stage: the last federated stage; None before the first.
        began: digest of the start that the sites hold; empty before it is sent.
    """

    trunk: Trunk
    setup: Setup
    held: Params = field(default_factory=dict)
    stage: messages.Stage | None = None
    began: str = ""


def run_arm(server: Server, arm: Arm) -> dict[str, Any]:
    """Run one arm over the sites; a run that was killed goes on from its last round.

    Returns:
        What stands in the run folder's ``federation.jsonl``: scores per client, exclusions, rounds, and under
        ``learnt`` what is to be noticed of its training, as in a study's record. ``run`` names arm, seed, data and
        settings, ``personal`` says whether clients end with weights of their own.

    Raises:
        SettingError: the arm has a federated stage, and nobody may send.
        ClientError: too many sites are lost.
    """
    _check_senders(server, arm)
    if server.asks.secure:
        check_methods(arm)
    now = _begin(server, arm.start)
    for number, spec in enumerate(arm.federate):
        now = _federate(server, _sent(server, now), spec, f"{arm.name}-{number}-{server.seed}")
    # Where clients differ, each has its own private tree to put to the model that it holds.
    found = _adapt(server, now if now.trunk.shared.is_personal else _sent(server, now), arm)
    append_json_line(server.out / "federation.jsonl", found)
    return found


def run_name(server: Server, arm: Arm, seed: int) -> str:
    """Name an arm's run at a seed by all that it depends on, so that runs of other data or settings are told apart."""
    file, central = server.file, server.lab.federation.central
    settings = [file.settings.engine.dtype, file.settings.decision.metric, asdict(file.model)]
    pool = central.key if central else None
    return hash_json([__version__, write(file.data), write(server.agreement), *settings, pool, arm.as_json(), seed])


def _check_senders(server: Server, arm: Arm) -> None:
    """Check that somebody trains where something is federated."""
    sums = [spec.build().reduce == "sum" for spec in arm.federate]
    here = server.sites.values()
    able = {site.client for site in here if all(not _why_not(site, server.asks, is_sum=each) for each in sums)}
    if any(len(client.train) for client in server.lab.federation.clients if client.id in able) or not sums:
        return
    what = "sums" if all(sums) else "updates"
    if senders := [f"'{site.client}'" for site in here if site.client in able]:
        raise SettingError(
            f"data.split.train: '{arm.name}' has a federated stage, and no site that lets {what} leave has "
            f"training examples ({', '.join(senders)}); give them some"
        )
    policies = ", ".join(f"'{site.client}' {site.policy}" for site in here)
    covered = "ask masked ones with --secure, " if any(site.masked for site in here) else ""
    raise SettingError(
        f"--policy: '{arm.name}' has a federated stage, and no site lets {what} leave, received {policies}; "
        f"start nodes with --policy {what}, {covered}or run an arm without a "
        "federated stage"
    )


def send_start(server: Server) -> _Standing:
    """Send every site the backbone that a probe goes through: the checkpoint, or what the central pool teaches.

    Raises:
        SettingError: no arm begins with a backbone that knows something.
    """
    starts = [arm.start for arm in server.file.arms if arm.start.build().is_trained]
    if not starts:
        raise SettingError(
            "arms: a probe goes through a pre-trained backbone, received no arm with such a start; add one with "
            "start = 'pretrained' or 'pretrain'"
        )
    return _sent(server, _begin(server, starts[0]))


def arm_lines(found: Mapping[str, Any], metric: str) -> Iterator[str]:
    """Say what :func:`run_arm` returned: each client's score, who was left out, whether anything was learnt."""
    scores = []
    for name, facts in sorted(found["clients"].items()):
        score = (facts.get("metrics", {}).get("test", {}).get(metric) or [None])[0]
        yield f"  {name:<20} {'–' if score is None else f'{score:.4f}'}"
        scores += [] if score is None else [score]
    for one in found["excluded"]:
        yield f"  left out: {one['client']}, round {one['round']}: {one['reason']}"
    # Who was left out stands above.
    yield from (f"  {found['arm']}: {one['words']}" for one in found["learnt"] if one["kind"] != "left out")
    mean = f"{np.mean(scores):.4f}" if scores else "not told"
    yield f"{found['arm']}: mean client {metric} {mean}"


def _begin(server: Server, start: Written) -> _Standing:
    file, lab = server.file, server.lab
    pipeline = Pipeline(
        lab, NodeStore(server.out, _tells(server)), server.seed, file.settings.decision.metric, tell=server.tell
    )
    setup = Setup(
        data=file.data,
        agreement=server.agreement,
        model=file.model,
        dtype=file.settings.engine.dtype,
        seed=server.seed,
        digest=hash_tree({}, SIGNED),  # nothing is held yet
        from_scratch=start.build().from_scratch,
    )
    return _Standing(pipeline.start(start), setup)


def _sent(server: Server, now: _Standing) -> _Standing:
    """Send the model to every site, or what differs from the one that it holds."""
    whole, digest = now.trunk.weights, hash_tree(now.trunk.weights, SIGNED)
    if digest == now.setup.digest:
        return now
    changed = {n: v for n, v in whole.items() if n not in now.held or not torch.equal(now.held[n], v)}
    base = now.setup.digest if now.held else ""
    server.tell(f"model of {num_bytes(changed) / 1e6:.2f} MB to {len(server.sites)} sites")
    came = server.send(Start(digest, base), changed)
    excluded = server.excluded(came, 0)
    server.check_lost(excluded)
    for one in excluded:
        server.tell(f"a site did not take the model: '{one.client}': {one.reason}")
    trunk = replace(now.trunk, excluded=(*now.trunk.excluded, *excluded))
    setup, began = replace(now.setup, digest=digest), now.began or digest
    return replace(now, trunk=trunk, setup=setup, held=whole, began=began)


def _federate(server: Server, now: _Standing, spec: Written, name: str) -> _Standing:
    """Run a federated stage, from the round where an earlier run of it stood."""
    method = spec.build()
    if method.pooled:
        raise SettingError(
            f"federate.method: '{spec.method}' needs all examples in one place, which no real federation has"
        )
    is_sum = method.reduce == "sum"
    model, params = cut_at(now.trunk.network, now.trunk.weights, method.trainable)
    covers = [asdict(server.asks)] if (is_sum or server.asks.secure) and server.asks != Protection() else []
    key = hash_json([__version__, write(now.setup), spec.as_json(), *covers])
    stage, store = (
        messages.Stage(Method.of(spec), key),
        NodeStore(server.out / "rounds" / file_name(name), _tells(server)),
    )
    asks = server.asks

    def request(number: int) -> Update:
        return Update(now.setup, stage, number, asks.noise if is_sum else 0.0, asks.bound)

    found = run_rounds(
        method,
        model,
        params,
        _members(server, spec.method, is_sum=is_sum),
        server.lab.activations,
        engine=Remote(server, request, _expected(server, method, model, params)),
        seed=server.seed,
        max_bad_clients=server.file.settings.engine.max_bad_clients,
        begin=unpack(node) if (node := store.get(key)) else None,
        on_round=_keeps(server, store, key, f"federate {spec.method}", method.schedule.rounds),
    )
    excluded = (*now.trunk.excluded, *found.excluded)
    halved = (*now.trunk.halved, *found.halved)
    received = Received(model, params, method, found)
    trunk = replace(now.trunk, key=key, shared=received, excluded=excluded, halved=halved)
    return replace(now, trunk=trunk, stage=stage)


def _members(server: Server, method: str, *, is_sum: bool) -> list[Client]:
    """Return the clients, without training examples where these may not leave in a method's updates."""
    may = {site.client: _why_not(site, server.asks, is_sum=is_sum) for site in server.sites.values()}
    for name, reason in may.items():
        if reason:
            server.tell(f"'{name}' takes no part in {method}: {reason}")
    clients = server.lab.federation.clients
    return [replace(one, train=one.train[:0]) if may[one.id] else one for one in clients]


def _why_not(site: Present, asks: Protection, *, is_sum: bool) -> str:
    """Say why a site sends nothing of a method; empty if it does."""
    if not is_sum:
        able = site.sends_updates(secure=asks.secure)
        return "" if able else f"policy {site.policy}, noise that no update of it has, or masks without --secure"
    if not site.sends:
        return f"policy {site.policy}"
    return "it sends masked sums only; run with --secure" if site.masked and not asks.secure else ""


def _tells(server: Server) -> Callable[[Damaged], None]:
    """Return what says that a file of the run folder is not believed."""
    return lambda error: server.tell(error.note)


def _keeps(server: Server, store: NodeStore, key: str, what: str, rounds: int) -> OnRound:
    """Return what keeps the last round, so that a server that was killed goes on from it."""
    begin = time.monotonic()

    def keep(now: Federated) -> None:
        server.check_lost(one for one in now.excluded if one.round == now.rounds - 1)
        server.tell(f"{what}, round {now.rounds} of {rounds}, {time.monotonic() - begin:.1f} s so far")
        # Private trees stay at their sites.
        store.put(key, *pack(replace(now, privates={})))
        store.prune({key})

    return keep


def _expected(server: Server, method: Federate, model: Model, params: Params) -> Expected:
    """Return what updates must look like, by doing one on dummy examples."""
    shared, private, _ = method.init(model, params)
    says: Callable[[Tree], FeatureSums] | None = getattr(method, "feature_sums", None)
    masked = server.asks.secure

    def update(client: ClientData) -> Tree:
        found = method.client_update(model, shared, private, client)[0]
        found = weighed(found, 1.0) if masked and method.reduce == "mean" else found
        return map_tree(torch.Tensor.long, found) if masked else found

    return Expected.of(
        update,
        server.lab.federation.examples,
        Possible(lambda tree: {"train": says(tree)}, server.sites, server.asks.bound, masked) if says else None,
    )


def _adapt(server: Server, now: _Standing, arm: Arm) -> dict[str, Any]:
    """Let every site adapt and evaluate; keep what their operators let them say."""
    federated, shared = now.trunk.shared.federated, Tree()
    rounds, stage = federated.rounds if federated else 0, None
    if federated and now.trunk.shared.is_personal:
        shared, stage = federated.shared, now.stage
    metric = server.file.settings.decision.metric
    began = now.began if federated or not arm.adapt.build().changes_nothing else ""
    run = run_name(server, arm, server.seed)
    asked = Adapt(now.setup, Method.of(arm.adapt), metric, stage, rounds, began, run)
    classes = len(server.agreement.classes)
    came = believed(server.send(asked, shared), lambda one: doubt_evaluation(one.said, server.sites[one.site], classes))
    said = {server.sites[one.site].client: one.said for one in came if isinstance(one, Answer)}
    last = server.excluded(came, rounds)
    server.check_lost(last)
    excluded = [asdict(one) for one in (*server.lost, *now.trunk.excluded, *last)]
    return {
        "arm": arm.name,
        "seed": server.seed,
        "run": run,
        "personal": now.trunk.shared.is_personal or not arm.adapt.build().changes_nothing,
        "clients": {name: _scores(one) for name, one in said.items()},
        "excluded": excluded,
        "rounds": rounds,
        "learnt": [one._asdict() for one in noticed(server, arm, list(said.values()), excluded, now.trunk.halved)],
    }


def _scores(said: Evaluated) -> dict[str, Any]:
    """Return what a site says of its scores; nothing where they may not leave."""
    known = asdict(said)
    return {} if said.accepted is None else {n: known[n] for n in ("accepted", "metrics", "pooled", "excluded")}
