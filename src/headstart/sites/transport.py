"""What carries messages: a text and a tree to each site, and a text and a tree back, read as what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, NamedTuple, TypeVar, cast

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.answers import DUTIES, Kind
from headstart.sites.limits import said
from headstart.sites.messages import Asks
from headstart.sites.said import Refusal
from headstart.sites.wire import read, write

A = TypeVar("A")

_WITH_TENSORS: frozenset[Kind] = frozenset({"update", "sums"})
"""Requests whose answer is tensors."""


How = Literal["left out", "late", "gone", "refused"]
"""How a site failed: its answer was of no use, did not come in time, it went away, or it would not answer."""


class Crossed(NamedTuple):
    """Bytes that crossed the network between the server and one site, and how often it was asked the same."""

    down: int = 0
    up: int = 0
    times: int = 1


@dataclass(frozen=True, eq=False)
class Request:
    """What goes to one site.

    Attributes:
        site: its address, as the transport knows it.
        kind: of the message.
        text: the message as JSON.
        tree: tensors.
    """

    site: int
    kind: Kind
    text: str
    tree: Tree = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answer(Generic[A]):
    """What came from one site.

    Attributes:
        site: its address.
        said: the message: its text, and once it is read, the message itself.
        tree: tensors.
        num_bytes: of the tensors, as they crossed the network.
        client: whose key signed it; empty where the transport looks at no signatures.
        crossed: what it took to get it: texts, tensors and signatures.
    """

    site: int
    said: A
    tree: Tree
    num_bytes: int = 0
    client: str = ""
    crossed: Crossed = Crossed()


@dataclass(frozen=True)
class Failed:
    """A site that sent nothing of use.

    Attributes:
        site: its address.
        reason: why.
        client: whose it is, where that is known.
        how: it failed.
        crossed: what was sent all the same.
    """

    site: int
    reason: str
    client: str = ""
    how: How = "left out"
    crossed: Crossed = field(default=Crossed(), compare=False)


Ask = Callable[[Sequence[Request]], Iterator[Answer[str] | Failed]]
"""Sends requests and yields what came from each site, a failure where nothing did in time."""


def consult(ask: Ask, sites: Sequence[int], message: Asks[A], tree: Tree | None = None) -> list[Answer[A] | Failed]:
    """Ask the same of several sites; an answer that is not of the message's kind is a failure of its site."""
    return consult_each(ask, dict.fromkeys(sites, message), tree)


def consult_each(ask: Ask, messages: Mapping[int, Asks[A]], tree: Tree | None = None) -> list[Answer[A] | Failed]:
    """Ask each site its own message of one kind, with the same tensors; see :func:`consult`."""
    if not messages:
        return []
    kind = kind_of(next(iter(messages.values())))
    expected, sent = cast("type[A]", DUTIES[kind].answer), tree or {}
    came = ask([Request(site, kind, write(message), sent) for site, message in messages.items()])
    read_all = [one if isinstance(one, Failed) else _read(one, expected) for one in came]
    # Tensors that nobody asked for are not kept.
    return [one if isinstance(one, Failed) or kind in _WITH_TENSORS else replace(one, tree={}) for one in read_all]


def kind_of(message: Asks[A]) -> Kind:
    """Return of what kind a request is."""
    return next(kind for kind, duty in DUTIES.items() if duty.request is type(message))


def _read(came: Answer[str], expected: type[A]) -> Answer[A] | Failed:
    if refusal := _refusal_in(came.said):
        return Failed(came.site, said(refusal.error), came.client or refusal.client, "refused")
    try:
        return replace(cast("Answer[A]", came), said=read(expected, came.said, "its answer"))
    except ClientError as error:
        return Failed(came.site, str(error), came.client)


def _refusal_in(text: str) -> Refusal | None:
    with suppress(ClientError):
        return read(Refusal, text, "its answer")
    return None
