"""A federated stage over sites: the same round loop as in a simulation, with an engine that asks sites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from headstart.core.errors import SettingError
from headstart.core.trees import Params, Tree, map_tree
from headstart.data.federation import Client
from headstart.engine.rounds import members, run_rounds
from headstart.federate.closed_form import FeatureSums
from headstart.federate.protocol import Federate
from headstart.models.model import Model, cut_at
from headstart.sites.checks import Expected, Possible
from headstart.sites.course import StageCourse
from headstart.sites.messages import Setup, Stage
from headstart.sites.remote import Remote
from headstart.sites.said import Present
from headstart.sites.secure.means import check_method, weighed
from headstart.sites.server import Server
from headstart.sites.settings import UPDATE_SENSITIVITY, Protection, allows
from headstart.study.run.facts import pack, unpack
from headstart.study.run.nodes import NodeStore
from headstart.study.run.trunk import Trunk
from headstart.study.written.arms import Stage as Written
from headstart.training.client_data import ClientData

if TYPE_CHECKING:
    from headstart.study.run.pipeline import Pipeline


def run_stage(
    server: Server, pipeline: Pipeline, before: Trunk, written: Written, setup: Setup, asked: Stage
) -> tuple[dict[str, Any], Tree]:
    """Run a federated stage; return its facts and what it left. Private trees stay at their sites.

    Args:
        server: whose sites work.
        pipeline: of the seed.
        before: where the arm stands.
        written: the stage.
        setup: with the model that the sites hold.
        asked: the stage, as sites know it.

    Raises:
        SettingError: it needs all examples in one place, or nobody may send what it asks for.
        ClientError: too many sites are lost.
    """
    method = written.build()
    fewest = _fewest(server, method, pipeline.max_bad_clients)
    clients = _members(server, written.method, method, fewest)
    model, params = cut_at(before.network, before.weights, method.trainable)
    store = NodeStore(server.out / "rounds", lambda error: server.tell(error.note))
    is_clipped = method.schedule.clip_norm is not None
    course = StageCourse(server, pipeline, setup, asked, method, before.traffic.total, max(1, fewest))
    node = store.get(asked.key)
    course.points += node.facts.get("points", ()) if node else ()
    federated = run_rounds(
        method,
        model,
        params,
        clients,
        server.lab.activations,
        engine=Remote(server, course.request, _expected(server, method, model, params), course.hear, is_clipped),
        seed=pipeline.seed,
        max_bad_clients=pipeline.max_bad_clients,
        begin=unpack(node) if node else None,
        on_round=course.keeps(store),
        fewest=fewest,
    )
    course.finish(federated)
    store.prune(set())
    facts, tree = pack(replace(federated, state={}))
    return {**facts, "curve": course.points}, tree


def _fewest(server: Server, method: Federate, lost: float) -> int:
    """Return how many sites answer each round of a method under noise at least; 0 of one without.

    Raises:
        SettingError: sites would be drawn, which hides nobody: the server knows who was, and whoever knows the seed.
    """
    schedule, here = method.schedule, len(members(server.lab.federation.clients))
    if not schedule.noise_multiplier:
        return 0
    if schedule.cohort_of(here) < here:
        raise SettingError(
            f"federate.cohort_size: must be that of all {here} sites, or left out, where noise_multiplier is set, "
            f"received {schedule.cohort_size}: who is drawn is known, so that it promises nothing"
        )
    return int(schedule.fewest_of(here, lost))


def _members(server: Server, name: str, method: Federate, fewest: int) -> list[Client]:
    """Return the clients, without training examples where these may not leave in a method's updates.

    Raises:
        SettingError: it needs all examples in one place, or no client is left.
    """
    if method.pooled:
        raise SettingError(f"federate.method: '{name}' needs all examples in one place, which no real federation has")
    if server.asks.secure:
        check_method(method, name)
    is_sum, noise = method.reduce == "sum", method.schedule.own_noise(max(1, fewest)) / UPDATE_SENSITIVITY
    may = {site.client: _why_not(site, server.asks, is_sum=is_sum, noise=noise) for site in server.sites.values()}
    clients = server.lab.federation.clients
    able = [one for one in clients if not may[one.id]]
    if not any(len(one.train) for one in able):
        raise SettingError(_nobody(server, name, [one.id for one in able], is_sum=is_sum))
    for client, reason in may.items():
        if reason:
            server.tell(f"'{client}' takes no part in {name}: {reason}")
    return [replace(one, train=one.train[:0]) if may[one.id] else one for one in clients]


def _nobody(server: Server, method: str, able: Sequence[str], *, is_sum: bool) -> str:
    """Say why nobody takes part in a stage."""
    what, here = "sums" if is_sum else "updates", server.sites.values()
    if able:
        return (
            f"data.split.train: '{method}' is federated, and no site that lets {what} leave has training examples "
            f"({', '.join(map(repr, able))}); give them some"
        )
    policies = ", ".join(f"'{site.client}' {site.policy}" for site in here)
    covered = "ask masked ones with --secure, " if any(site.masked for site in here) else ""
    return (
        f"--policy: '{method}' is federated, and no site lets {what} leave, received {policies}; start nodes with "
        f"--policy {what}, {covered}or run arms without a federated stage"
    )


def _why_not(site: Present, asks: Protection, *, is_sum: bool, noise: float = 0.0) -> str:
    """Say why a site sends nothing of a method; empty if it does.

    Args:
        site: as it said.
        asks: what a run asks of sums.
        is_sum: whether the method adds up sums.
        noise: that each site adds to its update, in sensitivities.
    """
    if not is_sum and allows(site.policy, "updates") and not site.masked and site.noise > noise > 0:
        return f"its updates leave under noise of {site.noise:g} sensitivities or more, and its share is {noise:.3g}"
    if not is_sum:
        able = site.sends_updates(noise, secure=asks.secure)
        return "" if able else f"policy {site.policy}, noise that its update lacks, or masks without --secure"
    if not site.sends:
        return f"policy {site.policy}"
    return "it sends masked sums only; run with --secure" if site.masked and not asks.secure else ""


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
