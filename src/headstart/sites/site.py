"""What a site does: its data never leaves; what may is decided here, by its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from headstart.core.errors import ClientError, SettingError, nearest
from headstart.core.trees import Params, Tree
from headstart.core.version import __version__
from headstart.data.federation import Client
from headstart.data.open import open_client
from headstart.data.settings import DataSettings
from headstart.engine.adaptation import adapt_and_predict, is_better
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.engine.received import Federated, Received
from headstart.engine.ways.serial import Serial
from headstart.models.model import cut_at
from headstart.models.spec import ModelSpec
from headstart.sites.messages import Kind
from headstart.sites.probe import heads as probe
from headstart.sites.probe.masks import mask, public_of
from headstart.sites.probe.noise import add_noise
from headstart.sites.shelf import Shelf
from headstart.study.lab import Lab
from headstart.study.run.facts import evaluation_facts
from headstart.study.texts import with_tokens
from headstart.study.written.arms import Stage

POLICIES = ("none", "counts", "metrics", "updates")
"""What may leave, each with what stands before it: nothing, numbers of examples, scores, updates and sums."""

NEEDS: Mapping[Kind, str] = {"update": "updates", "sums": "updates", "heads": "metrics"}
"""What a request needs; the others are answered with as much as the policy allows."""

Answer = tuple[dict[str, Any], Tree]


@dataclass(frozen=True)
class Site:
    """One client of a real federation.

    Attributes:
        name: the client's id.
        data: its file or folder.
        state: folder for what it receives and learns.
        policy: what may leave, one of ``POLICIES``.
        signer: the only public key (Ed25519, 32 bytes) whose models it takes; None takes any.
        noise: least noise on the sums of a probe, in sensitivities.
        masked: whether it sends sums under masks only.
    """

    name: str
    data: Path
    state: Path
    policy: str = "updates"
    signer: bytes | None = None
    noise: float = 0.0
    masked: bool = False

    def __post_init__(self) -> None:
        """Check the policy."""
        if self.policy not in POLICIES:
            raise SettingError(f"policy: unknown value '{self.policy}'; {nearest(self.policy, POLICIES)}")

    def allows(self, what: str) -> bool:
        """Say whether the operator lets this leave."""
        return POLICIES.index(what) <= POLICIES.index(self.policy)

    @property
    def shelf(self) -> Shelf:
        """What it has received and learnt."""
        return Shelf(self.state)


def answer(site: Site, kind: Kind, values: Mapping[str, Any], tree: Tree) -> Answer:
    """Do what the server asks, if the operator allows it.

    Raises:
        HeadstartError: it is not allowed, or cannot be done.
    """
    if not site.allows(NEEDS.get(kind, "none")):
        raise ClientError(f"'{site.name}' lets no more than {site.policy} leave; '{kind}' needs {NEEDS[kind]}")
    return ANSWERS[kind](site, values, tree)


def hello(site: Site, values: Mapping[str, Any], tree: Tree) -> Answer:
    """Say who is there, what the data look like and, if allowed, how many there are."""
    federation = open_client(data_settings(site, values), Path(), site.name)
    (client,), examples = federation.clients, federation.examples
    sizes = {"train": len(client.train), "val": len(client.val), "test": len(client.test)}
    return {
        "client": site.name,
        "version": __version__,
        "kind": examples.kind,
        "classes": list(examples.classes),
        "columns": list(examples.columns),
        "shape": list(examples.shape),
        "sends": site.allows("updates"),
        "key": public_of(site.shelf.new_secret()) if site.allows("updates") else "",
        "sizes": sizes if site.allows("counts") else {},
    }, {}


def start(site: Site, values: Mapping[str, Any], tree: Tree) -> Answer:
    """Take the model, if it is whole and signed by whom the operator trusts."""
    site.shelf.put_weights(tree, str(values["digest"]), str(values.get("base", "")), site.signer, values)
    return {}, {}


def update(site: Site, values: Mapping[str, Any], tree: Tree) -> Answer:
    """Do a round's work; the private tree stays here."""
    lab, client, weights = open_model(site, values)
    method = _stage("federate", values["stage"])
    model, params = cut_at(_network(lab, values), weights, method.trainable)
    first = method.init(model, params).private
    private = site.shelf.private(values["stage_key"], int(values["round"]), first)
    data = _data(lab, client, (int(values["seed"]), "round", int(values["round"])))
    sent, kept = method.client_update(model, tree, private, data)
    site.shelf.put_private(values["stage_key"], int(values["round"]), private, kept)
    return {"examples": len(client.train)}, sent


def adapt(site: Site, values: Mapping[str, Any], tree: Tree) -> Answer:
    """Adapt what was received, keep it here, and say what the operator allows of how good it is."""
    lab, client, weights = open_model(site, values)
    seed = int(values["seed"])
    method, shared = _stage("adapt", values["adapt"]), _received(site, lab, weights, values, tree)
    rows = {"val": [client.val], "test": [client.test]}
    evaluation = adapt_and_predict(
        method,
        shared,
        [client],
        lab.activations,
        rows,
        engine=Serial(),
        seed=seed,
        better=is_better(str(values["metric"])),
        keep=lambda _, weights: site.shelf.put_own(weights),
    )
    accepted = bool(evaluation.accepted[0])
    if not accepted:
        site.shelf.put_own(shared.model.weights(shared.of(client)))
    if not site.allows("metrics"):
        return {}, {}
    facts = evaluation_facts(evaluation, rows, lab.at(seed), lab.activations.examples.labels)
    return {"accepted": accepted, **facts}, {}


def sums(site: Site, values: Mapping[str, Any], tree: Tree) -> Answer:
    """Send sums of frozen features, those of training and validation data apart."""
    lab, client, weights = open_model(site, values)
    model, _ = cut_at(_network(lab, values), weights, "head")
    parts = {"train": _data(lab, client, ()), "val": _data(lab, replace(client, train=client.val), ())}
    level = max(site.noise, float(values.get("noise", 0.0)))
    bound = float(values.get("bound", 0.0)) if level else None
    found = {f"{p}/{name}": each for p, data in parts.items() for name, each in probe.sums(model, data, bound).items()}
    if bound is not None:
        found = add_noise(found, level, bound)
    if "keys" in values:
        keys = {str(name): str(key) for name, key in values["keys"].items()}
        found = mask(found, site.name, site.shelf.secret(), keys, str(values["round_name"]))
    elif site.masked:
        raise ClientError(f"'{site.name}' sends masked sums only; run the probe with secure sums")
    return {"noise": level}, found


def heads(site: Site, values: Mapping[str, Any], tree: Tree) -> Answer:
    """Compare heads on the site's own validation data."""
    lab, client, weights = open_model(site, values)
    model, _ = cut_at(_network(lab, values), weights, "head")
    val = _data(lab, replace(client, train=client.val), ())
    return probe.compare(model, tree, _data(lab, client, ()), val), {}


ANSWERS: Mapping[Kind, Callable[[Site, Mapping[str, Any], Tree], Answer]] = {
    "hello": hello,
    "start": start,
    "update": update,
    "adapt": adapt,
    "sums": sums,
    "heads": heads,
}


def data_settings(site: Site, values: Mapping[str, Any]) -> DataSettings:
    """Return how the study reads data, with this site's as its source."""
    said = TypeAdapter(DataSettings).validate_python({**values["data"], "source": str(site.data)})
    # Which of its rows take part is the site's own choice, made with its file.
    return replace(said, client=None, partition=None, central=None, held_out_clients=0.0, max_examples=None, where={})


def open_model(site: Site, values: Mapping[str, Any]) -> tuple[Lab, Client, Params]:
    """Return the site's data, its one client at this seed, and the weights received."""
    spec = TypeAdapter(ModelSpec).validate_python(values["model"])
    federation = with_tokens(open_client(data_settings(site, values), Path(), site.name), spec)
    lab = Lab(federation, spec, Serial(), getattr(torch, str(values["dtype"])), site.state)
    return lab, lab.at(int(values["seed"])).clients[0], site.shelf.weights(str(values["digest"]))


def _network(lab: Lab, values: Mapping[str, Any]) -> Any:
    return lab.skeleton(from_scratch=bool(values["from_scratch"]))


def _data(lab: Lab, client: Client, key: tuple[Any, ...]) -> OneClient:
    return OneClient(lab.activations, client.id, client.train, keyed_order, key)


def _stage(kind: Any, said: Mapping[str, Any]) -> Any:
    return Stage(kind, said["method"], said["settings"]).build()


def _received(site: Site, lab: Lab, weights: Params, values: Mapping[str, Any], tree: Tree) -> Received:
    network = _network(lab, values)
    if values.get("stage") is None:
        return Received(*cut_at(network, weights, "all"))
    method = _stage("federate", values["stage"])
    model, params = cut_at(network, weights, method.trainable)
    first = method.init(model, params).private
    private = site.shelf.private(values["stage_key"], int(values["rounds"]), first)
    return Received(model, params, method, Federated(tree, {site.name: private} if private else {}, first))
