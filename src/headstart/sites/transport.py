"""What carries messages: a text and a tree to each site, and a text and a tree back, read as what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar, cast

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
    """

    site: int
    said: A
    tree: Tree
    num_bytes: int = 0
    client: str = ""


@dataclass(frozen=True)
class Failed:
    """A site that sent nothing of use, why, and its client, where that is known."""

    site: int
    reason: str
    client: str = ""


Ask = Callable[[Sequence[Request]], Iterator[Answer[str] | Failed]]
"""Sends requests and yields what came from each site, a failure where nothing did in time."""


def consult(ask: Ask, sites: Sequence[int], message: Asks[A], tree: Tree | None = None) -> list[Answer[A] | Failed]:
    """Ask the same of several sites; an answer that is not of the message's kind is a failure of its site."""
    return consult_each(ask, dict.fromkeys(sites, message), tree)


def consult_each(ask: Ask, messages: Mapping[int, Asks[A]], tree: Tree | None = None) -> list[Answer[A] | Failed]:
    """Ask each site its own message of one kind, with the same tensors; see :func:`consult`."""
    if not messages:
        return []
    asked = type(next(iter(messages.values())))
    kind = next(kind for kind, duty in DUTIES.items() if duty.request is asked)
    expected, sent = cast("type[A]", DUTIES[kind].answer), tree or {}
    came = ask([Request(site, kind, write(message), sent) for site, message in messages.items()])
    read_all = [one if isinstance(one, Failed) else _read(one, expected) for one in came]
    # Tensors that nobody asked for are not kept.
    return [one if isinstance(one, Failed) or kind in _WITH_TENSORS else replace(one, tree={}) for one in read_all]


def _read(came: Answer[str], expected: type[A]) -> Answer[A] | Failed:
    if refusal := _refusal_in(came.said):
        return Failed(came.site, said(refusal.error), came.client or refusal.client)
    try:
        return Answer(came.site, read(expected, came.said, "its answer"), came.tree, came.num_bytes, came.client)
    except ClientError as error:
        return Failed(came.site, str(error), came.client)


def _refusal_in(text: str) -> Refusal | None:
    with suppress(ClientError):
        return read(Refusal, text, "its answer")
    return None
