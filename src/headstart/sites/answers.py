"""What a site does when it is asked: for each kind of request its message, its answer, and what must be allowed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar, cast

from headstart.core.arrays import Array
from headstart.core.errors import HeadstartError
from headstart.core.trees import Tree
from headstart.core.version import __version__
from headstart.data.examples import Examples
from headstart.data.federation import Split
from headstart.data.labels import holds_no_classes
from headstart.data.open import Columns, client_columns, open_client
from headstart.data.settings import DataSettings
from headstart.data.standardize import known_sums
from headstart.engine.adaptation import Evaluation, adapt_and_predict, is_better, predict_received
from headstart.engine.received import Federated, Received
from headstart.engine.ways.serial import Serial
from headstart.evidence.metrics import pooled_metrics
from headstart.evidence.outcomes import RIGHT_OR_WRONG
from headstart.evidence.tally import ClientTally
from headstart.federate.closed_form import FeatureSums
from headstart.models.model import cut_at
from headstart.sites.agreement import common_categories, needs_sums
from headstart.sites.counting import count, keep_predictions
from headstart.sites.counts import Count, Counted
from headstart.sites.gate import Cover, Gate, class_counts_told
from headstart.sites.messages import Adapt, Agree, Heads, Hello, Setup, Start, Sums, Update
from headstart.sites.possible import doubt_parts
from headstart.sites.probe import heads as probe
from headstart.sites.probe.foretell import leads_at
from headstart.sites.probe.noise import clipped
from headstart.sites.refusals import Refused, words_outside
from headstart.sites.said import Agreed, Compared, Done, Evaluated, Noisy, Present, Refusal
from headstart.sites.secure.messages import Keyed, Keys, Reveal, Revealed, Shared, Shares
from headstart.sites.settings import UPDATE_SENSITIVITY, Policy
from headstart.sites.site import Opened, Site
from headstart.sites.terms import Terms, check_model
from headstart.sites.updates import leaving
from headstart.sites.wire import read, write
from headstart.sites.words import check_words
from headstart.study.run.facts import evaluation_facts, learnt, started, training_sample
from headstart.training.client_data import ClientData

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")
Kind = Literal["hello", "agree", "start", "keys", "shares", "update", "reveal", "adapt", "count", "sums", "heads"]


_log = logging.getLogger(__name__)


def answer(site: Site, kind: Kind, text: str, tree: Tree) -> tuple[str, Tree]:
    """Do what the server asks, if the operator allows it.

    Raises:
        HeadstartError: it is not allowed, is no such request, or cannot be done.
    """
    duty, gate = DUTIES[kind], Gate(site)
    request = read(duty.request, text, f"request '{kind}'", Refused)
    gate.check_policy(kind, duty.needs(request))
    said, sent = duty.do(gate, request, tree)
    if duty.tells(said):
        gate.release(kind, text, tree)
    return write(said), sent


def reply(site: Site, kind: Kind, text: str, tree: Tree) -> tuple[str, Tree]:
    """Answer, or say in one line why not, and who says so; words of what reads the data stay in the site's own log."""
    try:
        return answer(site, kind, text, tree)
    except HeadstartError as error:
        _log.warning("'%s' is refused: %s", kind, error)
        return write(Refusal(words_outside(error, site.name, Gate(site).names), site.name)), {}


def _hello(gate: Gate, said: Hello, tree: Tree) -> tuple[Present, Tree]:
    """Say who is there, what the data look like and, if allowed, how many there are."""
    gate.check_hello(said)
    return present(gate, said.data), {}


def present(gate: Gate, data: DataSettings) -> Present:
    """Return what a site says of itself.

    Raises:
        DataError: its data cannot be read so.
    """
    site = gate.site
    source, own = site.source(data)
    federation = open_client(source, own, site.name)
    examples = federation.examples
    _check_names(site, examples, data)
    is_table = examples.kind == "table"
    columns = client_columns(source, own) if is_table else Columns()
    return Present(
        client=site.name,
        version=__version__,
        kind=examples.kind,
        classes=tuple(examples.classes),
        columns=columns.inputs,
        set_aside=columns.set_aside,
        doubtful=columns.doubtful,
        describing=columns.describing,
        categories=common_categories(source, own.one_hot) if is_table else {},
        shape=tuple(examples.shape) if examples.kind == "image" else (),
        range=examples.pixels.range if examples.pixels and data.pixels.range is None else None,
        fixed_val=federation.fixed_val,
        policy=cast("Policy", site.policy),
        sizes=gate.sizes(federation),
        masked=site.masked,
        noise=site.noise,
        data=site.shelf.named(gate.content),
    )


def _check_names(site: Site, examples: Examples, settings: DataSettings) -> None:
    """Let no names leave that are almost one per row."""
    if settings.classes is None and holds_no_classes(len(set(examples.labels.tolist())), len(examples)):
        raise Refused(
            f"data.label: '{site.name}' has almost as many values of '{settings.label}' as rows, whose names do not "
            "leave; name the column of classes, or all classes with data.classes"
        )


def _agree(gate: Gate, said: Agree, tree: Tree) -> tuple[Agreed, Tree]:
    """Say whether the data can be read as agreed, and what they add to the federation's sums."""
    gate.check_terms(said.data, (), said.agreement)
    federation = gate.site.read(said.data, said.agreement)
    asked = federation.examples.kind == "table" and needs_sums(said.data)
    sums = known_sums(federation.examples, federation.clients) if asked else None
    return Agreed(gate.sizes(federation), sums and gate.column_sums(sums, said.agreement)), {}


def _start(gate: Gate, said: Start, tree: Tree) -> tuple[Done, Tree]:
    """Take the model, if it is whole."""
    gate.site.shelf.put_weights(tree, said)
    return Done(), {}


def _update(gate: Gate, said: Update, tree: Tree) -> tuple[Done, Tree]:
    """Do a round's work; the private tree stays here."""
    site, terms = gate.site, _checked(gate, said.setup)
    own, method = site.open(said.setup), said.stage.method.build("federate")
    model, params = cut_at(own.network, own.weights, method.trainable)
    private = site.shelf.private(said.stage.key, said.round, method.init(model, params).private)
    data = own.train(said.setup.seed, "round", said.round)
    received = Received(model, params, method, Federated(tree, {site.name: private} if private else {}, private))
    val = _val(gate, own, received) if said.scored else {}
    if method.reduce == "sum":
        done, sent = _summed(gate, said, own, terms, lambda rows: method.client_update(model, tree, private, rows)[0])
        return replace(done, val=val), sent
    noise = method.schedule.own_noise(said.fewest) / UPDATE_SENSITIVITY
    gate.check_averaging(own.client, noise, said.masks)
    check_words(own.network, params, site.name)
    sent, kept = method.client_update(model, tree, private, data)
    sent = leaving(gate, said, method.schedule, tree, sent)
    sent = gate.update(sent, tree, own.client, said.masks, is_clipped=method.schedule.clip_norm is not None)
    site.shelf.put_private(said.stage.key, said.round, private, kept)
    return Done(noise, val), sent


def _val(gate: Gate, own: Opened, received: Received) -> dict[Literal["log_loss", "accuracy"], float]:
    """Return scores of what was received on validation data, if they may leave and there is any."""
    rows, site = own.client.val, gate.site
    if not len(rows) or site.is_covered or not site.allows("metrics") or gate.enough(own.client, ["val"]):
        return {}
    (found,) = predict_received(received, [own.client], own.lab.activations, {"val": [rows]}).probabilities["val"]
    scores = pooled_metrics(own.lab.federation.examples.labels[rows], found)
    return {"log_loss": float(scores["log_loss"]), "accuracy": float(scores["accuracy"])}


def _summed(
    gate: Gate, said: Update, own: Opened, terms: Terms, work: Callable[[ClientData], Tree]
) -> tuple[Done, Tree]:
    """Send an update that is a sum over training examples, which passes what the sums of a probe pass."""
    gate.check_enough(own.client, ["train"])
    rows, cover = own.train(), Cover(noise=said.noise, bound=said.bound, masks=said.masks)
    name = "/".join(["update", write(said.setup), write(said.stage.method)])
    says: Callable[[Tree], FeatureSums] | None = getattr(said.stage.method.build("federate"), "feature_sums", None)

    def make(bound: float | None) -> Tree:
        sums = work(clipped(rows, bound))
        return _own(sums, {"train": says(sums)} if says else {}, gate.site, own)

    found, level = gate.sums(name, own, terms, cover, ["train"], make)
    return Done(level), found


def _own(sums: Tree, parts: Mapping[Split, FeatureSums], site: Site, own: Opened) -> Tree:
    """Return sums of the site's examples, looked at before they are hidden: under masks nobody else can."""
    if reason := doubt_parts(parts, {part: len(own.client.indices(part)) for part in parts}):
        raise Refused(f"'{site.name}' sends no sums: {reason}")
    return sums


def _adapt(gate: Gate, said: Adapt, tree: Tree) -> tuple[Evaluated, Tree]:
    """Adapt what was received, keep it here, and say what the operator allows of how good it is."""
    _checked(gate, said.setup)
    site = gate.site
    own, method = site.open(said.setup), said.method.build("adapt")
    received, federation = _received(site, own, said, tree), own.lab.at(said.setup.seed)
    views = {"val": [own.client.val], "test": [own.client.test]}
    rows: dict[str, list[Array]] = {view: views[view] for view in said.views}
    is_last = "test" in said.views
    # As in a simulation, to the same end: what is changed by nobody is predicted once.
    sample = training_sample(federation) if is_last else []
    evaluation = adapt_and_predict(
        method,
        received,
        [own.client],
        own.lab.activations,
        {**rows, "train": sample} if is_last and not method.changes_nothing else rows,
        engine=Serial(),
        seed=said.setup.seed,
        better=is_better(said.metric),
        keep=(lambda _, weights: site.shelf.put_own(weights)) if is_last else None,
    )
    if is_last:
        _keep(site, said, own, received, evaluation)
    few = gate.enough(own.client, ["train", *said.views])
    if few or not site.allows("metrics"):
        return Evaluated(None, {}, {}, (), kept_back=few), {}
    facts = evaluation_facts(evaluation, rows, federation, own.lab.activations.examples.labels)
    tally = _tally(site, said, own, received, evaluation, sample) if is_last else None
    found = _evaluated(bool(evaluation.accepted[0]), facts, tally, own.lab.span)
    return _coarse(found) if site.is_covered else found, {}


def _keep(site: Site, said: Adapt, own: Opened, received: Received, evaluation: Evaluation) -> None:
    """Keep here what a finished arm came to: the weights, and what they predict."""
    if not evaluation.accepted[0]:
        site.shelf.put_own(received.model.weights(received.of(own.client)))
    keep_predictions(site, said.run, own, evaluation)


def _tally(
    site: Site, said: Adapt, own: Opened, received: Received, evaluation: Evaluation, sample: list[Array]
) -> ClientTally | None:
    """Count what says whether the arm has learnt, if every class that is there has enough examples to be counted."""
    method, federation = said.method.build("adapt"), own.lab.at(said.setup.seed)
    began = started(own.network, site.shelf.weights(said.began), received, method) if said.began else None
    (tally,) = learnt(federation, own.lab.activations, received, began, sample, evaluation)
    parts = [part.counts for part in (tally.train, tally.began, tally.val) if part]
    return tally if class_counts_told(parts, site.minima.class_examples) else None


def _coarse(said: Evaluated) -> Evaluated:
    """Leave out what is no count of right examples: of a made head, a loss tells a row to many digits."""
    metrics = {view: _counts_of_right(found) for view, found in said.metrics.items()}
    return replace(said, metrics=metrics, pooled={view: _counts_of_right(found) for view, found in said.pooled.items()})


def _counts_of_right(found: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in found.items() if name in (*RIGHT_OR_WRONG, "num_examples")}


def _evaluated(accepted: bool, facts: Mapping[str, Any], tally: ClientTally | None, span: float) -> Evaluated:
    metrics = {
        view: {name: tuple(values) for name, values in found.items()} for view, found in facts["metrics"].items()
    }
    # Why an adaptation failed may quote what it was made of.
    excluded = tuple({**one, "reason": "its adaptation failed"} for one in facts["excluded"])
    return Evaluated(accepted, metrics, facts["pooled"], excluded, tally, span)


def _count(gate: Gate, said: Count, tree: Tree) -> tuple[Counted, Tree]:
    """Count what runs told right of the site's test examples."""
    return count(gate.site, said), {}


def _sums(gate: Gate, said: Sums, tree: Tree) -> tuple[Noisy, Tree]:
    """Send sums of frozen features, those of training and validation data apart."""
    terms, own = _checked(gate, said.setup), gate.site.open(said.setup)
    gate.check_enough(own.client, ["train", "val"])
    model, _ = cut_at(own.network, own.weights, "head")
    cover = Cover(noise=said.noise, bound=said.bound, masks=said.masks)

    def make(bound: float | None) -> Tree:
        sums = probe.sums(model, clipped(own.train(), bound), clipped(own.val, bound))
        return _own(sums, probe.feature_sums(sums), gate.site, own)

    found, level = gate.sums(f"sums/{write(said.setup)}", own, terms, cover, ["train", "val"], make)
    return Noisy(level), found


def _heads(gate: Gate, said: Heads, tree: Tree) -> tuple[Compared, Tree]:
    """Compare heads on the site's own validation data, and on its training data left out one by one."""
    _checked(gate, said.setup)
    site = gate.site
    own = site.open(said.setup)
    gate.check_enough(own.client, ["train", "val"])
    model, _ = cut_at(own.network, own.weights, "head")
    bound = min(said.bound, site.bound) if max(site.noise, said.noise) else None
    leads = leads_at(model, tree, own.train(), own.val, said.metric, bound)
    return Compared(len(own.client.val), probe.compare(model, tree, own.train(), own.val), leads), {}


def _checked(gate: Gate, setup: Setup) -> Terms:
    """Return the accepted terms that a setup keeps to."""
    terms = gate.check_terms(setup.data, [setup.seed], setup.agreement)
    check_model(terms, setup.model, gate.site.name)
    return terms


def _received(site: Site, own: Opened, said: Adapt, tree: Tree) -> Received:
    """Return the model that was received, or what a stage's shared tree and the private one kept here make of it."""
    if said.stage is None:
        return Received(*cut_at(own.network, own.weights, "all"))
    method = said.stage.method.build("federate")
    model, params = cut_at(own.network, own.weights, method.trainable)
    first = method.init(model, params).private
    private = site.shelf.private(said.stage.key, said.rounds, first)
    return Received(model, params, method, Federated(tree, {site.name: private} if private else {}, first))


@dataclass(frozen=True)
class _Duty(Generic[Q, A]):
    """One kind of request.

    Attributes:
        request: what is asked.
        answer: what is said to it.
        needs: what must be allowed to leave; ``none`` is answered with as much as the policy allows.
        do: does it.
        tells: whether an answer holds scores, counts or sums, of which there are only so many.
    """

    request: type[Q]
    answer: type[A]
    needs: Callable[[Q], Policy]
    do: Callable[[Gate, Q, Tree], tuple[A, Tree]]
    tells: Callable[[A], bool] = lambda _: False


def _update_needs(said: Update) -> Policy:
    return "sums" if said.stage.method.build("federate").reduce == "sum" else "updates"


DUTIES: Mapping[Kind, _Duty[Any, Any]] = {
    "hello": _Duty(Hello, Present, lambda _: "none", _hello),
    "agree": _Duty(Agree, Agreed, lambda _: "none", _agree),
    "start": _Duty(Start, Done, lambda _: "none", _start),
    "keys": _Duty(Keys, Keyed, lambda _: "sums", lambda gate, said, _: (gate.party.keys(said), {})),
    "shares": _Duty(Shares, Shared, lambda _: "sums", lambda gate, said, _: (gate.party.shares(said), {})),
    "update": _Duty(Update, Done, _update_needs, _update),
    "reveal": _Duty(Reveal, Revealed, lambda _: "sums", lambda gate, said, _: (gate.party.reveal(said), {})),
    "adapt": _Duty(Adapt, Evaluated, lambda _: "none", _adapt, lambda said: said.accepted is not None),
    "count": _Duty(Count, Counted, lambda _: "metrics", _count, lambda _: True),
    "sums": _Duty(Sums, Noisy, lambda _: "sums", _sums, lambda _: True),
    "heads": _Duty(Heads, Compared, lambda _: "metrics", _heads, lambda _: True),
}
"""Say who is there · follow what is agreed · take the model · make keys, share them · do a round's work · take masks
off · adapt and evaluate · count what was told right · the two messages of a probe."""
