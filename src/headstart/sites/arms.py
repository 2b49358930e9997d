"""An arm over real sites: the model once, rounds, then each site adapts what it received."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from headstart.core.content import hash_json
from headstart.core.errors import SettingError
from headstart.core.files import append_json_line
from headstart.core.trees import Params, Tree, num_bytes
from headstart.core.version import __version__
from headstart.costs.dry_run import DummyClient
from headstart.engine.received import Federated
from headstart.engine.rounds import run_rounds
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.sites.checks import Expected
from headstart.sites.messages import digest
from headstart.sites.remote import Remote
from headstart.sites.rounds_file import RoundsFile
from headstart.sites.server import Server
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import Arm
from headstart.study.written.arms import Stage as Written

EXAMPLES = 2
"""Dummy examples that show the shapes of a method's update."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Where an arm stands: the model that the sites hold, and what the last stage shared."""

    network: Network
    weights: Params
    from_scratch: bool
    last: Written | None = None
    key: str = ""
    shared: Tree = field(default_factory=dict)
    personal: bool = False
    rounds: int = 0
    digest: str = ""
    facts: tuple[Mapping[str, Any], ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """What requests say of it."""
        return {"digest": self.digest, "from_scratch": self.from_scratch}


def run_arm(server: Server, arm: Arm) -> dict[str, Any]:
    """Run one arm over the sites; a run that was killed goes on from its last round.

    Returns:
        What stands in the run folder's ``federation.jsonl``: scores per client, exclusions, rounds.
    """
    stage = _begin(server, arm)
    for number, spec in enumerate(arm.federate):
        stage = _federate(server, stage, spec, f"{arm.name}-{number}")
    found = _adapt(server, stage, arm)
    append_json_line(server.out / "federation.jsonl", found)
    return found


def _begin(server: Server, arm: Arm) -> Stage:
    pipeline = Pipeline(
        server.lab, NodeStore(server.out), server.seed, server.file.settings.decision.metric, tell=server.tell
    )
    trunk = pipeline.start(arm.start)
    from_scratch = arm.start.build().from_scratch
    return _send_model(server, Stage(trunk.network, trunk.weights, from_scratch))


def _send_model(server: Server, stage: Stage, before: Stage | None = None) -> Stage:
    """Send the model to every site, or what differs from the one that it has."""
    key, base = digest(stage.weights), before.digest if before else ""
    old = before.weights if before else {}
    changed = {n: v for n, v in stage.weights.items() if n not in old or not torch.equal(old[n], v)}
    values = {"digest": key, "base": base, "signature": server.sign(key) if server.sign else ""}
    server.tell(f"model of {num_bytes(changed) / 1e6:.2f} MB to {len(server.members)} sites")
    facts = []
    for reply in server.send("start", server.members, values, changed):
        if reply.error:
            server.tell(f"a site did not take the model: {reply.error}")
            facts.append({"client": server.name_of(reply.site), "round": 0, "reason": reply.error})
    return dataclasses.replace(stage, digest=key, facts=(*stage.facts, *facts))


def _federate(server: Server, stage: Stage, spec: Written, name: str) -> Stage:
    """Run a federated stage, from the round where an earlier run of it stood."""
    method = spec.build()
    if method.pooled:
        raise SettingError("federate.method: 'pooled' needs all examples in one place, which no real federation has")
    model, params = cut_at(stage.network, stage.weights, method.trainable)
    key = hash_json([__version__, server.seed, stage.digest, spec.as_json(), server.about])
    said = {"stage": {"method": spec.method, "settings": dict(spec.settings)}, "stage_key": key, **stage.values}
    file = RoundsFile(server.out / "rounds", f"{name}-{server.seed}", key)
    begin = time.monotonic()

    def on_round(now: Federated) -> None:
        done, seconds = now.rounds, time.monotonic() - begin
        server.tell(f"federate {spec.method}, round {done} of {method.schedule.rounds}, {seconds:.1f} s so far")
        file.put(now)

    found = run_rounds(
        method,
        model,
        params,
        server.lab.federation.clients,
        server.lab.activations,
        engine=Remote(server, said, _expected(server, method, model, params)),
        seed=server.seed,
        max_bad_clients=server.file.settings.engine.max_bad_clients,
        begin=file.get(method.init(model, params).private),
        on_round=on_round,
    )
    file.put_facts({"stage": spec.method, **dataclasses.asdict(found.traffic)})
    return _after(
        server, stage, spec, key, found, model.weights(method.personal_params(model, found.shared, found.newcomer))
    )


def _expected(server: Server, method: Any, model: Model, params: Params) -> Expected:
    """Return what updates must look like, by doing one on dummy examples."""
    examples, first = server.lab.federation.examples, method.init(model, params)
    raw = torch.from_numpy(np.zeros((1, *examples.shape), examples.inputs.dtype))
    dummy = DummyClient(raw, EXAMPLES, len(examples.classes))
    return Expected.of(method.client_update(model, first.shared, first.private, dummy)[0], method.reduce)


def _after(server: Server, before: Stage, spec: Written, key: str, found: Federated, weights: Params) -> Stage:
    """Return where an arm stands after a stage; sites get its result, unless theirs differ by private trees."""
    facts = (*before.facts, *(dataclasses.asdict(one) for one in found.excluded))
    personal = bool(found.newcomer)
    after = dataclasses.replace(
        before,
        weights=weights,
        last=spec,
        key=key,
        shared=found.shared if personal else {},
        personal=personal,
        rounds=found.rounds,
        facts=facts,
    )
    return after if personal else _send_model(server, after, before)


def _adapt(server: Server, stage: Stage, arm: Arm) -> dict[str, Any]:
    """Let every site adapt and evaluate; keep what their operators let them say."""
    said: dict[str, Any] = {
        **stage.values,
        "adapt": {"method": arm.adapt.method, "settings": dict(arm.adapt.settings)},
        "metric": server.file.settings.decision.metric,
    }
    # A site that holds the result needs no shared tree, except to put its own private one to it.
    if stage.personal and stage.last:
        said |= {"stage": {"method": stage.last.method, "settings": dict(stage.last.settings)}}
        said |= {"stage_key": stage.key, "rounds": stage.rounds}
    clients, failed = {}, list(stage.facts)
    for reply in server.send("adapt", server.members, said, stage.shared):
        name = server.name_of(reply.site)
        if reply.error:
            failed.append({"client": name, "round": stage.rounds, "reason": reply.error})
        else:
            clients[name] = dict(reply.values)
    return {"arm": arm.name, "seed": server.seed, "clients": clients, "excluded": failed, "rounds": stage.rounds}


def send_start(server: Server) -> Stage:
    """Send every site the backbone that a probe goes through: the checkpoint, or what the central pool teaches."""
    arms = [arm for arm in server.file.arms if arm.start.method != "random"]
    if not arms:
        raise SettingError(
            "arms: a probe goes through a pre-trained backbone, received no arm with such a start; add one with "
            "start = 'pretrained' or 'pretrain'"
        )
    return _begin(server, arms[0])
