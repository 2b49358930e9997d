"""What a site does when it is asked: for each kind of request its message, its answer, and what must be allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast, get_args

from headstart.core.errors import ClientError, HeadstartError
from headstart.core.trees import Tree
from headstart.core.version import __version__
from headstart.data.examples import Examples
from headstart.data.federation import Federation, Split
from headstart.data.labels import holds_no_classes
from headstart.data.open import Columns, client_columns, open_client
from headstart.data.settings import DataSettings
from headstart.data.standardize import known_sums
from headstart.engine.adaptation import adapt_and_predict, is_better
from headstart.engine.received import Federated, Received
from headstart.engine.ways.serial import Serial
from headstart.evidence.tally import ClientTally
from headstart.models.model import cut_at
from headstart.sites.agreement import common_categories, needs_sums
from headstart.sites.counting import count, keep_predictions
from headstart.sites.counts import Count, Counted
from headstart.sites.messages import (
    Adapt,
    Agree,
    Agreed,
    Compared,
    Done,
    Evaluated,
    Heads,
    Hello,
    Noisy,
    Present,
    Refusal,
    Start,
    Sums,
    Update,
)
from headstart.sites.possible import doubt_parts
from headstart.sites.probe import heads as probe
from headstart.sites.probe.foretell import leads_at
from headstart.sites.probe.masks import mask
from headstart.sites.probe.noise import add_noise
from headstart.sites.settings import Policy
from headstart.sites.site import Opened, Site
from headstart.sites.wire import read, write
from headstart.study.run.facts import evaluation_facts, learnt, started, training_sample

Q = TypeVar("Q")
A = TypeVar("A")
Kind = Literal["hello", "agree", "start", "update", "adapt", "count", "sums", "heads"]


def answer(site: Site, kind: Kind, text: str, tree: Tree) -> tuple[str, Tree]:
    """Do what the server asks, if the operator allows it.

    Raises:
        HeadstartError: it is not allowed, is no such request, or cannot be done.
    """
    duty = DUTIES[kind]
    if not site.allows(duty.needs):
        raise ClientError(f"'{site.name}' lets no more than {site.policy} leave; '{kind}' needs {duty.needs}")
    said, sent = duty.do(site, read(duty.request, text, f"request '{kind}'"), tree)
    return write(said), sent


def reply(site: Site, kind: Kind, text: str, tree: Tree) -> tuple[str, Tree]:
    """Answer, or say in one line why not, and who says so."""
    try:
        return answer(site, kind, text, tree)
    except HeadstartError as error:
        return write(Refusal(str(error), site.name)), {}


def _hello(site: Site, said: Hello, tree: Tree) -> tuple[Present, Tree]:
    """Say who is there, what the data look like and, if allowed, how many there are."""
    source, own = site.source(said.data)
    federation = open_client(source, own, site.name)
    examples = federation.examples
    _check_names(site, examples, said.data)
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
        range=examples.pixels.range if examples.pixels and said.data.pixels.range is None else None,
        fixed_val=federation.fixed_val,
        policy=cast("Policy", site.policy),
        key=site.shelf.new_key() if site.allows("updates") else "",
        sizes=_sizes(site, federation),
    ), {}


def _check_names(site: Site, examples: Examples, settings: DataSettings) -> None:
    """Let no names leave that are almost one per row."""
    if settings.classes is None and holds_no_classes(len(set(examples.labels.tolist())), len(examples)):
        raise ClientError(
            f"data.label: '{site.name}' has almost as many values of '{settings.label}' as rows, whose names do not "
            "leave; name the column of classes, or all classes with data.classes"
        )


def _agree(site: Site, said: Agree, tree: Tree) -> tuple[Agreed, Tree]:
    """Say whether the data can be read as agreed, and what they add to the federation's sums."""
    read = site.read(said.data, said.agreement)
    asked = read.examples.kind == "table" and needs_sums(said.data)
    sums = known_sums(read.examples, read.clients) if asked and site.allows("updates") else None
    return Agreed(_sizes(site, read), sums), {}


def _sizes(site: Site, read: Federation) -> dict[Split, int]:
    """Count examples by split, if the operator lets counts leave."""
    (client,) = read.clients
    return {part: len(client.indices(part)) for part in get_args(Split)} if site.allows("counts") else {}


def _start(site: Site, said: Start, tree: Tree) -> tuple[Done, Tree]:
    """Take the model, if it is whole and signed by whom the operator trusts."""
    site.shelf.put_weights(tree, said, site.signer)
    return Done(), {}


def _update(site: Site, said: Update, tree: Tree) -> tuple[Done, Tree]:
    """Do a round's work; the private tree stays here."""
    own, method = site.open(said.setup), said.stage.method.build("federate")
    model, params = cut_at(own.network, own.weights, method.trainable)
    private = site.shelf.private(said.stage.key, said.round, method.init(model, params).private)
    data = own.train(said.setup.seed, "round", said.round)
    sent, kept = method.client_update(model, tree, private, data)
    site.shelf.put_private(said.stage.key, said.round, private, kept)
    return Done(), sent


def _adapt(site: Site, said: Adapt, tree: Tree) -> tuple[Evaluated, Tree]:
    """Adapt what was received, keep it here, and say what the operator allows of how good it is."""
    own, method = site.open(said.setup), said.method.build("adapt")
    received, federation = _received(site, own, said, tree), own.lab.at(said.setup.seed)
    rows = {"val": [own.client.val], "test": [own.client.test]}
    # As in a simulation, to the same end: what is changed by nobody is predicted once.
    sample = training_sample(federation)
    evaluation = adapt_and_predict(
        method,
        received,
        [own.client],
        own.lab.activations,
        rows if method.changes_nothing else {**rows, "train": sample},
        engine=Serial(),
        seed=said.setup.seed,
        better=is_better(said.metric),
        keep=lambda _, weights: site.shelf.put_own(weights),
    )
    accepted = bool(evaluation.accepted[0])
    if not accepted:
        site.shelf.put_own(received.model.weights(received.of(own.client)))
    keep_predictions(site, said.run, own, evaluation)
    if not site.allows("metrics"):
        return Evaluated(None, {}, {}, ()), {}
    began = started(own.network, site.shelf.weights(said.began), received, method) if said.began else None
    (tally,) = learnt(federation, own.lab.activations, received, began, sample, evaluation)
    facts = evaluation_facts(evaluation, rows, federation, own.lab.activations.examples.labels)
    return _evaluated(accepted, facts, tally, own.lab.span), {}


def _evaluated(accepted: bool, facts: Mapping[str, Any], tally: ClientTally, span: float) -> Evaluated:
    metrics = {
        view: {name: tuple(values) for name, values in found.items()} for view, found in facts["metrics"].items()
    }
    return Evaluated(accepted, metrics, facts["pooled"], tuple(facts["excluded"]), tally, span)


def _count(site: Site, said: Count, tree: Tree) -> tuple[Counted, Tree]:
    """Count what runs told right of the site's test examples."""
    return count(site, said), {}


def _sums(site: Site, said: Sums, tree: Tree) -> tuple[Noisy, Tree]:
    """Send sums of frozen features, those of training and validation data apart."""
    own = site.open(said.setup)
    model, _ = cut_at(own.network, own.weights, "head")
    level = max(site.noise, said.noise)
    found = probe.sums(model, own.train(), own.val, said.bound if level else None)
    # Under masks nobody else can look.
    if reason := doubt_parts(probe.feature_sums(found), _sizes(site, own.lab.federation)):
        raise ClientError(f"'{site.name}' sends no sums: {reason}")
    if level:
        found = add_noise(found, level, said.bound)
    if said.masks:
        found = mask(found, site.name, site.shelf.secret(), said.masks.keys, said.masks.name)
    elif site.masked:
        raise ClientError(f"'{site.name}' sends masked sums only; run the probe with secure sums")
    return Noisy(level), found


def _heads(site: Site, said: Heads, tree: Tree) -> tuple[Compared, Tree]:
    """Compare heads on the site's own validation data, and on its training data left out one by one."""
    own = site.open(said.setup)
    model, _ = cut_at(own.network, own.weights, "head")
    bound = said.bound if max(site.noise, said.noise) else None
    leads = leads_at(model, tree, own.train(), own.val, said.metric, bound)
    return Compared(len(own.client.val), probe.compare(model, tree, own.train(), own.val), leads), {}


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
    """

    request: type[Q]
    answer: type[A]
    needs: Policy
    do: Callable[[Site, Q, Tree], tuple[A, Tree]]


DUTIES: Mapping[Kind, _Duty[Any, Any]] = {
    "hello": _Duty(Hello, Present, "none", _hello),
    "agree": _Duty(Agree, Agreed, "none", _agree),
    "start": _Duty(Start, Done, "none", _start),
    "update": _Duty(Update, Done, "updates", _update),
    "adapt": _Duty(Adapt, Evaluated, "none", _adapt),
    "count": _Duty(Count, Counted, "metrics", _count),
    "sums": _Duty(Sums, Noisy, "updates", _sums),
    "heads": _Duty(Heads, Compared, "metrics", _heads),
}
"""Say who is there · follow what is agreed · take the model · do a round's work · adapt and evaluate · count what was
told right · the two messages of a probe."""
