"""What a site does when it is asked: for each kind of request its message, its answer, and what must be allowed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from headstart.core.errors import HeadstartError
from headstart.core.trees import Tree
from headstart.core.version import __version__
from headstart.data.encoding import Encoding
from headstart.data.examples import Examples
from headstart.data.labels import holds_no_classes
from headstart.data.open import Columns, client_columns, client_names, open_client
from headstart.data.settings import DataSettings
from headstart.data.standardize import known_sums
from headstart.models.model import cut_at
from headstart.sites.adapting import adapt
from headstart.sites.agreement import needs_sums
from headstart.sites.counting import count
from headstart.sites.counts import Count, Counted
from headstart.sites.gate import Cover, Gate
from headstart.sites.messages import Adapt, Agree, Heads, Hello, Start, Sums, Update
from headstart.sites.probe import heads as probe
from headstart.sites.probe.foretell import leads_at
from headstart.sites.probe.noise import clipped
from headstart.sites.refusals import Refused, words_outside
from headstart.sites.rounds import own_sums, update
from headstart.sites.said import Agreed, Compared, Done, Evaluated, Noisy, Present, Refusal
from headstart.sites.secure.messages import Keyed, Keys, Reveal, Revealed, Shared, Shares
from headstart.sites.settings import LEAST_ROWS, Policy
from headstart.sites.site import Site
from headstart.sites.wire import read, write

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
    names = client_names(source, own, site.name, LEAST_ROWS) if is_table else Encoding()
    return Present(
        client=site.name,
        version=__version__,
        kind=examples.kind,
        classes=tuple(examples.classes),
        columns=columns.inputs,
        set_aside=columns.set_aside,
        doubtful=columns.doubtful,
        describing=columns.describing,
        categories=dict(names.categories),
        missing=names.missing,
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


def _count(gate: Gate, said: Count, tree: Tree) -> tuple[Counted, Tree]:
    """Count what runs told right of the site's test examples."""
    return count(gate.site, said), {}


def _sums(gate: Gate, said: Sums, tree: Tree) -> tuple[Noisy, Tree]:
    """Send sums of frozen features, those of training and validation data apart."""
    terms, own = gate.check_setup(said.setup), gate.site.open(said.setup)
    gate.check_enough(own.client, ["train", "val"])
    model, _ = cut_at(own.network, own.weights, "head")
    cover = Cover(noise=said.noise, bound=said.bound, masks=said.masks)

    def make(bound: float | None) -> Tree:
        sums = probe.sums(model, clipped(own.train(), bound), clipped(own.val, bound))
        return own_sums(sums, probe.feature_sums(sums), gate.site, own)

    found, level = gate.sums(f"sums/{write(said.setup)}", own, terms, cover, ["train", "val"], make)
    return Noisy(level), found


def _heads(gate: Gate, said: Heads, tree: Tree) -> tuple[Compared, Tree]:
    """Compare heads on the site's own validation data, and on its training data left out one by one."""
    gate.check_setup(said.setup)
    site = gate.site
    own = site.open(said.setup)
    gate.check_enough(own.client, ["train", "val"])
    model, _ = cut_at(own.network, own.weights, "head")
    bound = min(said.bound, site.bound) if max(site.noise, said.noise) else None
    leads = leads_at(model, tree, own.train(), own.val, said.metric, bound)
    # Their digits, of made sums, read exact sums.
    if site.is_covered or not site.allows("sums"):
        leads = {sharing: lead.coarse() for sharing, lead in leads.items()}
    return Compared(len(own.client.val), probe.compare(model, tree, own.train(), own.val), leads), {}


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
    "update": _Duty(Update, Done, _update_needs, update),
    "reveal": _Duty(Reveal, Revealed, lambda _: "sums", lambda gate, said, _: (gate.party.reveal(said), {})),
    "adapt": _Duty(Adapt, Evaluated, lambda _: "none", adapt, lambda said: said.accepted is not None),
    "count": _Duty(Count, Counted, lambda _: "metrics", _count, lambda _: True),
    "sums": _Duty(Sums, Noisy, lambda _: "sums", _sums, lambda _: True),
    "heads": _Duty(Heads, Compared, lambda _: "metrics", _heads, lambda _: True),
}
"""Say who is there · follow what is agreed · take the model · make keys, share them · do a round's work · take masks
off · adapt and evaluate · count what was told right · the two messages of a probe."""
