"""What the server does: who is there, the model once, rounds, adaptation; the sites keep their data."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import headstart
from headstart.core.content import hash_json
from headstart.core.errors import ClientError, DataError, SettingError
from headstart.core.seeds import Key
from headstart.core.trees import Params, Tree, num_bytes, stack
from headstart.costs.dry_run import DummyClient
from headstart.data.central import read_central
from headstart.data.examples import Array, Examples
from headstart.data.federation import Client, Federation
from headstart.data.sources import open_source
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.rounds import Federated, Snapshot, run_rounds
from headstart.engine.serial import Serial
from headstart.flower.checks import Expected, refused
from headstart.flower.messages import Ask, Kind, Reply, Request, digest
from headstart.flower.rounds_file import RoundsFile
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.study.arms import ArmSpec, StageSpec, build_stage
from headstart.study.lab import Lab
from headstart.study.load import StudyFile
from headstart.study.nodes import NodeStore
from headstart.study.open import DTYPES
from headstart.study.pipeline import Pipeline
from headstart.study.texts import with_tokens

EXAMPLES = 2
"""Dummy examples that show the shapes of a method's update."""

Tell = Callable[[str], None]
Sign = Callable[[str], str]
"""Signs a digest; the signature in hex."""


@dataclass(frozen=True)
class Member:
    """A site as the server knows it.

    Attributes:
        address: as the transport knows it.
        id: the client's name.
        sends: whether its operator lets updates leave.
        sizes: numbers of examples, if its operator says them.
        key: public key of its masks, in hex.
    """

    address: int
    id: str
    sends: bool
    sizes: Mapping[str, int]
    key: str = ""


@dataclass(frozen=True, eq=False)
class Server:
    """One study over real sites.

    Attributes:
        file: the study.
        ask: the transport.
        members: who is there, sorted by id.
        lab: the network and the central pool; no example of a client.
        out: the run folder.
        seed: of everything random.
        sign: signs models; None sends them unsigned.
        tell: told what is being done.
    """

    file: StudyFile
    ask: Ask
    members: tuple[Member, ...]
    lab: Lab
    out: Path
    seed: int
    sign: Sign | None = None
    tell: Tell = field(default=lambda _: None)

    @property
    def about(self) -> dict[str, Any]:
        """What every request says: how data are read, which network they go through."""
        data = {**dataclasses.asdict(self.file.data), "classes": list(self.lab.federation.examples.classes)}
        model = dataclasses.asdict(self.file.model)
        dtype = str(self.lab.dtype).removeprefix("torch.")
        return dict(json.loads(json.dumps({"data": data, "model": model, "dtype": dtype, "seed": self.seed})))

    def name_of(self, address: int) -> str:
        """Return the id of the client at an address."""
        return next(member.id for member in self.members if member.address == address)

    def send(self, kind: Kind, who: Sequence[Member], values: Mapping[str, Any], tree: Tree) -> Iterator[Reply]:
        """Ask the same of several sites."""
        said = {**self.about, **values}
        return self.ask([Request(member.address, kind, said, tree) for member in who])


def open_server(
    file: StudyFile,
    ask: Ask,
    addresses: Sequence[int],
    out: Path,
    seed: int,
    sign: Sign | None = None,
    tell: Tell = lambda _: None,
) -> Server:
    """Ask who is there, and agree on classes and shapes.

    Raises:
        SettingError: the study needs what no site may give, such as pooled statistics.
        DataError: sites disagree on what an input is.
    """
    if file.data.standardize == "pooled":
        raise SettingError(
            "data.standardize: must not be 'pooled' on a real federation, where no one sees all clients' columns; "
            "write 'client' or 'none'"
        )
    data = json.loads(json.dumps({"data": dataclasses.asdict(file.data)}))
    replies = list(ask([Request(address, "hello", data) for address in addresses]))
    here = [reply for reply in replies if not reply.error]
    for reply in replies:
        if reply.error:
            tell(f"a site is left out: {reply.error}")
    if not here:
        raise ClientError("federation: no site answered; start them with 'headstart federate node'")
    lab = _lab(file, [reply.values for reply in here])
    found = [Member(r.site, r.values["client"], r.values["sends"], r.values["sizes"], r.values["key"]) for r in here]
    _check_names(found)
    return Server(file, ask, tuple(sorted(found, key=lambda one: one.id)), lab, out, seed, sign, tell)


def _check_names(found: Sequence[Member]) -> None:
    names = [one.id for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingError(f"node --name: must be unique in a federation, received twice: {', '.join(twice)}")


def _lab(file: StudyFile, said: Sequence[Mapping[str, Any]]) -> Lab:
    """Return what the server needs to build the network: examples without any row, and the central pool."""
    kinds = {(one["kind"], tuple(one["shape"]), tuple(one["columns"])) for one in said}
    if len(kinds) > 1:
        raise DataError(f"sites must agree on what an input is, received {sorted(map(str, kinds))}; set image_size")
    ((kind, shape, columns),) = kinds
    if kind == "text":
        raise SettingError("data.text: texts are not served by a real federation yet; run the study in a simulation")
    classes = file.data.classes or tuple(sorted({name for one in said for name in one["classes"]}, key=_natural))
    inputs = np.zeros((0, *shape), np.uint8 if kind == "image" else np.float32)
    empty = Examples(kind, inputs, np.zeros(0, np.int64), [], classes, columns)
    central = None
    if file.data.central and file.data.central.source:
        source = open_source(file.data.central.source, file.folder, "data.central.source")
        central, _ = read_central(source, file.data, file.data.central, empty)
    federation = with_tokens(Federation(empty, _clients(said), central), file.model)
    return Lab(federation, file.model, Serial(), DTYPES[file.settings.engine.dtype])


def _natural(name: str) -> tuple[int, int | str]:
    return (0, int(name)) if name.isdigit() else (1, name)


def _clients(said: Sequence[Mapping[str, Any]]) -> list[Client]:
    """Return clients whose rows stand for examples that are elsewhere."""

    def rows(count: int) -> Array:
        return np.arange(count, dtype=np.int64)

    found = []
    for one in sorted(said, key=lambda each: str(each["client"])):
        sizes = one["sizes"]
        train, val, test = (rows(int(sizes.get(part, 0))) for part in ("train", "val", "test"))
        found.append(Client(one["client"], train if one["sends"] else rows(0), val, test))
    return found


@dataclass(frozen=True, eq=False)
class Remote:
    """The engine of a real federation: work is done where the data lives.

    Attributes:
        server: whom it speaks for.
        stage: what the sites are to do.
        values: what every request of this stage says.
    """

    server: Server
    values: Mapping[str, Any]
    expected: Expected

    @contextmanager
    def crew(self, job: Job) -> Iterator[RemoteCrew]:
        """Return who does a job."""
        yield RemoteCrew(self, [client.id for client in job.team.clients])


@dataclass(frozen=True, eq=False)
class RemoteCrew:
    """Sites doing a stage's rounds."""

    engine: Remote
    ids: Sequence[str]

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Ask the clients at ``positions`` for their updates; what does not fit is a failure with its reason."""
        server, by_id = self.engine.server, {member.id: member for member in self.engine.server.members}
        who = [by_id[self.ids[position]] for position in positions.tolist()]
        place = {member.address: position for member, position in zip(who, positions.tolist(), strict=True)}
        replies = list(server.send("update", who, {**self.engine.values, "round": key[-1]}, shared))
        bad = refused(replies, self.engine.expected)
        for reply in sorted(replies, key=lambda one: place[one.site]):
            position = place[reply.site]
            if reply.site in bad:
                yield Failure(position, bad[reply.site])
            else:
                yield Chunk([position], (stack([reply.tree]), {}))


@dataclass(frozen=True, eq=False)
class Stage:
    """Where an arm stands: the model that the sites hold, and what the last stage shared."""

    network: Network
    weights: Params
    from_scratch: bool
    last: StageSpec | None = None
    key: str = ""
    shared: Tree = field(default_factory=dict)
    rounds: int = 0
    digest: str = ""
    facts: tuple[Mapping[str, Any], ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """What requests say of it."""
        return {"digest": self.digest, "from_scratch": self.from_scratch}


def run_arm(server: Server, arm: ArmSpec) -> dict[str, Any]:
    """Run one arm over the sites; a run that was killed goes on from its last round.

    Returns:
        What stands in the run folder's ``federation.jsonl``: scores per client, exclusions, bytes.
    """
    stage = _begin(server, arm)
    for number, spec in enumerate(arm.federate):
        stage = _federate(server, stage, spec, f"{arm.name}-{number}")
    found = _adapt(server, stage, arm)
    server.out.mkdir(parents=True, exist_ok=True)
    with (server.out / "federation.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(found) + "\n")
    return found


def _begin(server: Server, arm: ArmSpec) -> Stage:
    pipeline = Pipeline(
        server.lab, NodeStore(server.out), server.seed, server.file.settings.decision.metric, tell=server.tell
    )
    trunk = pipeline.start(arm.start)
    from_scratch = build_stage("start", arm.start).from_scratch
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


def _federate(server: Server, stage: Stage, spec: StageSpec, name: str) -> Stage:
    method = build_stage("federate", spec)
    if method.pooled:
        raise SettingError("federate.method: 'pooled' needs all examples in one place, which no real federation has")
    model, params = cut_at(stage.network, stage.weights, method.trainable)
    key = hash_json([headstart.__version__, server.seed, stage.digest, spec.as_json(), server.about])
    file = RoundsFile(server.out / "rounds", f"{name}-{server.seed}", key)
    first = method.init(model, params)
    examples = server.lab.federation.examples
    raw = torch.from_numpy(np.zeros((1, *examples.shape), examples.inputs.dtype))
    dummy = DummyClient(raw, EXAMPLES, len(examples.classes))
    expected = Expected.of(method.client_update(model, first.shared, first.private, dummy)[0], method.reduce)
    said = {"stage": {"method": spec.method, "settings": dict(spec.settings)}, "stage_key": key, **stage.values}

    begin = time.monotonic()

    def keep(snapshot: Snapshot) -> None:
        done, seconds = snapshot.federated.rounds, time.monotonic() - begin
        server.tell(f"federate {spec.method}, round {done} of {method.schedule.rounds}, {seconds:.1f} s so far")
        file.put(snapshot)

    found = run_rounds(
        method,
        model,
        params,
        server.lab.federation.clients,
        server.lab.activations,
        engine=Remote(server, said, expected),
        seed=server.seed,
        max_bad_clients=server.file.settings.engine.max_bad_clients,
        begin=file.get(first.private),
        keep=keep,
    )
    weights = model.weights(method.personal_params(model, found.shared, found.newcomer))
    facts = (*stage.facts, *(dataclasses.asdict(one) for one in found.excluded))
    traffic = {"stage": spec.method, **dataclasses.asdict(found.traffic)}
    after = Stage(stage.network, weights, stage.from_scratch, spec, key, found.shared, found.rounds, "", facts)
    file.put_facts(traffic)
    return dataclasses.replace(after, digest=stage.digest) if _is_last(found) else _send_model(server, after, stage)


def _is_last(found: Federated) -> bool:
    """Say whether sites hold what they need: with private trees, weights differ from site to site."""
    return bool(found.newcomer)


def _adapt(server: Server, stage: Stage, arm: ArmSpec) -> dict[str, Any]:
    """Let every site adapt and evaluate; keep what their operators let them say."""
    last = stage.last
    # A site that holds the result needs no shared tree, except to put its own private one to it.
    personal = last is not None and _has_private(stage, last)
    said: dict[str, Any] = {
        **stage.values,
        "adapt": {"method": arm.adapt.method, "settings": dict(arm.adapt.settings)},
        "metric": server.file.settings.decision.metric,
    }
    if personal and last is not None:
        said |= {"stage": {"method": last.method, "settings": dict(last.settings)}}
        said |= {"stage_key": stage.key, "rounds": stage.rounds}
    clients, failed = {}, list(stage.facts)
    for reply in server.send("adapt", server.members, said, stage.shared if personal else {}):
        name = server.name_of(reply.site)
        if reply.error:
            failed.append({"client": name, "round": stage.rounds, "reason": reply.error})
        else:
            clients[name] = dict(reply.values)
    return {"arm": arm.name, "seed": server.seed, "clients": clients, "excluded": failed, "rounds": stage.rounds}


def _has_private(stage: Stage, spec: StageSpec) -> bool:
    method = build_stage("federate", spec)
    model, params = cut_at(stage.network, stage.weights, method.trainable)
    return bool(method.init(model, params).private)


def send_start(server: Server) -> dict[str, Any]:
    """Send every site the backbone that a probe goes through: the checkpoint, or what the central pool teaches."""
    arms = [arm for arm in server.file.arms if arm.start.method != "random"]
    if not arms:
        raise SettingError(
            "arms: a probe goes through a pre-trained backbone, received no arm with such a start; add one with "
            "start = 'pretrained' or 'pretrain'"
        )
    return _begin(server, arms[0]).values
