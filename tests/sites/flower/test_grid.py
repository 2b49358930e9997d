"""A round closes in time; every site has a reply, whatever it did; what is not signed by its key is not read."""

import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headstart.core.errors import ClientError
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.parcels import Parcel, pack, to_content
from headstart.sites.signed import Obeyed, Orders, Sealed
from headstart.sites.transport import Answer, Failed, Request

app: Any = pytest.importorskip("flwr.app")

NAMES = {1: "north", 2: "east", 3: "south", 4: "west"}
OPERATOR = Ed25519PrivateKey.generate()
KEYS = {name: generate_private_key(SECP384R1()) for name in NAMES.values()}


def _plain(parcel: Parcel, site: int, kind: str, seconds: float) -> Any:
    """Flower's own messages can be made within a running task only."""
    return SimpleNamespace(metadata=SimpleNamespace(dst_node_id=site), parcel=parcel)


class Letter:
    """One that came; some are never whole."""

    def __init__(self, reply_to: str, message: Any) -> None:
        self.reply_to, self.message = reply_to, message

    def open(self, seconds: float, most_bytes: int) -> Any:
        if self.message.content is STUCK:
            time.sleep(seconds)
            raise ClientError("a message could not be fetched (ObjectUnavailableError)")
        if self.message.content is NO_MESSAGE:
            raise AttributeError("'RecordDict' object has no attribute 'metadata'")
        return self.message


class Grid:
    """Answers by site: a text, signed by some site's key; an error; garbage; or never."""

    def __init__(self, answers: dict[int, Any], signed_by: dict[int, str] | None = None) -> None:
        self.answers, self.signed_by, self.sent = answers, signed_by or NAMES, {}
        self.folder = Path(tempfile.mkdtemp())

    def push_messages(self, messages: Any) -> list[str]:
        self.sent = {f"m{message.metadata.dst_node_id}": message for message in messages}
        return list(self.sent)

    def since(self) -> dict[int, str]:
        return dict.fromkeys(self.answers, "monday")

    def arrived(self, ids: list[str]) -> list[Any]:
        found = {each: self._reply(each) for each in ids}
        return [Letter(each, message) for each, message in found.items() if message is not None]

    def _reply(self, each: str) -> Any:
        asked = self.sent[each]
        site = asked.metadata.dst_node_id
        answer = self.answers[site]
        if answer is None:
            return None
        failed = isinstance(answer, Exception)
        content = self._signed(asked.parcel, answer, self.signed_by[site]) if isinstance(answer, str) else answer
        error = SimpleNamespace(reason=str(answer), code=2)
        return SimpleNamespace(has_error=lambda: failed, error=error, content=content)

    def _signed(self, asked: Parcel, text: str, name: str) -> Any:
        site = Obeyed(name, OPERATOR.public_key().public_bytes_raw(), KEYS[name], self.folder / "orders.json")
        return to_content(Parcel(*site.keep(asked.sealed, text, pack({}))))


def _ask(grid: Grid, **options: Any) -> GridAsk:
    orders = Orders(OPERATOR, {name: key.public_key() for name, key in KEYS.items()})
    return GridAsk(grid, orders, NAMES, to_message=_plain, **options)


def _requests(*sites: int) -> list[Request]:
    return [Request(site, "hello", "{}") for site in sites]


GARBAGE = app.RecordDict({})
STUCK, NO_MESSAGE = app.RecordDict({}), app.RecordDict({})
UNSIGNED = to_content(Parcel("{}", pack({}), Sealed("{}", "")))


def test_every_site_has_a_reply_whatever_it_did() -> None:
    grid = Grid({1: '{"n": 1}', 2: RuntimeError("boom"), 3: GARBAGE, 4: None})
    replies = list(_ask(grid, timeout=0.5)(_requests(1, 2, 3, 4)))
    assert [reply.site for reply in replies] == [1, 2, 3, 4]
    assert isinstance(replies[0], Answer)
    assert (replies[0].said, replies[0].client) == ('{"n": 1}', "north")
    reasons = ["it failed: boom", "could not be read", "did not answer within 0.5 s"]
    assert all(reason in reply.reason for reason, reply in zip(reasons, replies[1:], strict=True))
    assert [reply.client for reply in replies] == list(NAMES.values())
    assert [reply.how for reply in replies[1:]] == ["left out", "left out", "late"]
    # All were sent as much; one answer was read.
    assert [reply.crossed.down > 100 for reply in replies] == [True] * 4
    assert [reply.crossed.up > 100 for reply in replies] == [True, False, False, False]
    assert [reply.crossed.times for reply in replies] == [1] * 4


def test_a_round_closes_when_enough_have_answered() -> None:
    replies = _ask(Grid({1: "{}", 2: "{}", 3: None}), timeout=60, enough=0.6, grace=0.1)(_requests(1, 2, 3))
    assert [isinstance(reply, Failed) for reply in replies] == [False, False, True]


def test_an_answer_in_anothers_name_is_not_read() -> None:
    ask = _ask(Grid({1: "{}", 2: "{}", 3: UNSIGNED}, {1: "north", 2: "north"}), timeout=5)
    first, second, third = ask(_requests(1, 2, 3))
    assert isinstance(first, Answer)
    assert isinstance(second, Failed)
    assert second.reason == "the answer is not signed by the key of 'east'; it was not read"
    assert isinstance(third, Failed)


def test_an_answer_that_is_never_whole_holds_nobody_up() -> None:
    begin = time.monotonic()
    ask = _ask(Grid({1: "{}", 2: STUCK, 3: NO_MESSAGE, 4: "{}"}), timeout=1.0)
    replies = list(ask(_requests(1, 2, 3, 4)))
    assert time.monotonic() - begin < 5
    assert [isinstance(reply, Answer) for reply in replies] == [True, False, False, True]
    assert isinstance(replies[2], Failed)
    assert replies[2].reason == "its answer could not be read (AttributeError)"
