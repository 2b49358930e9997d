"""A site's part of a round: it trains on what was sent, or adds up sums, and sends what its gate lets out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal

from headstart.core import trees
from headstart.core.content import hash_tree
from headstart.core.trees import Tree
from headstart.costs.example_privacy import hides_examples
from headstart.data.federation import Split
from headstart.engine.adaptation import predict_received
from headstart.engine.received import Federated, Received
from headstart.evidence.metrics import pooled_metrics
from headstart.federate.closed_form import FeatureSums
from headstart.federate.protocol import Federate
from headstart.models.model import cut_at
from headstart.sites.gate import Cover, Gate
from headstart.sites.messages import Update
from headstart.sites.possible import doubt_parts
from headstart.sites.probe.noise import clipped
from headstart.sites.refusals import Refused
from headstart.sites.said import Done
from headstart.sites.settings import UPDATE_SENSITIVITY
from headstart.sites.site import Opened, Site
from headstart.sites.terms import Terms
from headstart.sites.updates import leaving
from headstart.sites.wire import write
from headstart.sites.words import check_words
from headstart.training.client_data import ClientData


def update(gate: Gate, said: Update, tree: Tree) -> tuple[Done, Tree]:
    """Do a round's work; the private tree stays here."""
    site, terms = gate.site, gate.check_setup(said.setup)
    own, method = site.open(said.setup), said.stage.method.build("federate")
    model, params = cut_at(own.network, own.weights, method.trainable)
    private = site.shelf.private(said.stage.key, said.round, method.init(model, params).private)
    data = replace(own.train(said.setup.seed, "round", said.round), rounds=method.schedule.rounds)
    received = Received(model, params, method, Federated(tree, {site.name: private} if private else {}, private))
    update_of = partial(method.client_update, model, tree, private)
    if method.reduce == "sum":
        done, sent = _summed(gate, said, own, terms, method, lambda rows: update_of(rows)[0])
        # Trained weights tell more than scores beside them do; who sends none counts what it tells.
        gate.release("update", write(said), tree)
        return replace(done, val=_val(gate, said, own, received)), sent
    noise = method.schedule.own_noise(said.fewest) / UPDATE_SENSITIVITY
    gate.check_averaging(own.client, noise, said.masks)
    check_words(own.network, params, site.name)
    val = _val(gate, said, own, received)
    sent, kept = _worked(gate, said, tree, method, lambda: update_of(data))
    if method.reduce == "each":
        _look_at_each(gate, said, own, terms, method, tree, sent)
    sent = leaving(gate, said, method.schedule, tree, sent)
    sent = gate.update(sent, tree, own.client, said.masks, is_clipped=method.schedule.clip_norm is not None)
    site.shelf.put_private(said.stage.key, said.round, private, kept)
    return Done(noise, val), sent


def _worked(
    gate: Gate, said: Update, shared: Tree, method: Federate, work: Callable[[], tuple[Tree, Tree]]
) -> tuple[Tree, Tree]:
    """Return what is sent and what is kept; work that hides examples is done once, or noise would average out."""
    if not hides_examples(method):
        return work()

    def make() -> Tree:
        parts = zip(("sent", "kept"), work(), strict=True)
        return {f"{part}/{name}": value for part, tree in parts for name, value in tree.items()}

    name = "/".join(["hidden", write(said.setup), write(said.stage), str(said.round), hash_tree(shared)])
    found = gate.same_noise(name, make)
    return trees.part(found, "sent/"), trees.part(found, "kept/")


def _val(gate: Gate, said: Update, own: Opened, received: Received) -> dict[Literal["log_loss", "accuracy"], float]:
    """Return scores of what was received on validation data, if they are asked for, may leave and there is any."""
    rows, site = own.client.val, gate.site
    if (
        not said.scored
        or not len(rows)
        or site.is_covered
        or not site.allows("metrics")
        or gate.enough(own.client, ["val"])
    ):
        return {}
    (found,) = predict_received(received, [own.client], own.lab.activations, {"val": [rows]}).probabilities["val"]
    examples = own.lab.federation.examples
    scores = pooled_metrics(examples.truth[rows], found, examples.task, names=("log_loss", "accuracy"))
    return {"log_loss": float(scores["log_loss"]), "accuracy": float(scores["accuracy"])}


def _summed(
    gate: Gate, said: Update, own: Opened, terms: Terms, method: Federate, work: Callable[[ClientData], Tree]
) -> tuple[Done, Tree]:
    """Send an update that is a sum over training examples, which passes what the sums of a probe pass."""
    gate.check_enough(own.client, ["train"])
    rows, cover = own.train(), Cover(noise=said.noise, bound=said.bound, masks=said.masks)
    name = "/".join(["update", write(said.setup), write(said.stage.method)])
    says: Callable[[Tree], FeatureSums] | None = getattr(method, "feature_sums", None)

    def make(bound: float | None) -> Tree:
        sums = work(clipped(rows, bound))
        return own_sums(sums, {"train": says(sums)} if says else {}, gate.site, own)

    found, level = gate.sums(name, own, terms, cover, ["train"], make)
    return Done(level), found


def _look_at_each(
    gate: Gate, said: Update, own: Opened, terms: Terms, method: Federate, tree: Tree, sent: Tree
) -> None:
    """Look at sums that the server sees site by site as at those that it adds up: nothing covers them."""
    says: Callable[[Tree], FeatureSums] | None = getattr(method, "feature_sums", None)
    if says:
        gate.check_plain(own, terms, ["train"], "take a method that adds them up, and run it with --secure or --noise")
        own_sums(sent, {"train": says(sent)}, gate.site, own)
        gate.release("update", write(said), tree)


def own_sums(sums: Tree, parts: Mapping[Split, FeatureSums], site: Site, own: Opened) -> Tree:
    """Return sums of the site's examples, looked at before they are hidden: under masks nobody else can."""
    if reason := doubt_parts(parts, {part: len(own.client.indices(part)) for part in parts}):
        raise Refused(f"'{site.name}' sends no sums: {reason}")
    return sums
