"""A round closes in time; every site has a reply, whatever it did; what is not signed by its key is not read."""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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


class Grid:
    """Answers by site: a text, signed by some site's key; an error; garbage; or never."""

    def __init__(self, answers: dict[int, Any], signed_by: dict[int, str] | None = None) -> None:
        self.answers, self.signed_by, self.sent = answers, signed_by or NAMES, {}
        self.folder = Path(tempfile.mkdtemp())

    def push_messages(self, messages: Any) -> list[str]:
        self.sent = {f"m{message.metadata.dst_node_id}": message for message in messages}
        return list(self.sent)

    def pull_messages(self, ids: list[str]) -> list[Any]:
        found = [self._reply(each) for each in ids]
        return [one for one in found if one is not None]

    def _reply(self, each: str) -> Any:
        asked = self.sent[each]
        site = asked.metadata.dst_node_id
        answer = self.answers[site]
        if answer is None:
            return None
        failed = isinstance(answer, Exception)
        content = self._signed(asked.parcel, answer, self.signed_by[site]) if isinstance(answer, str) else answer
        metadata, error = SimpleNamespace(reply_to_message_id=each), SimpleNamespace(reason=str(answer), code=2)
        return SimpleNamespace(metadata=metadata, has_error=lambda: failed, error=error, content=content)

    def _signed(self, asked: Parcel, text: str, name: str) -> Any:
        site = Obeyed(name, OPERATOR.public_key().public_bytes_raw(), KEYS[name], self.folder / "orders.json")
        return to_content(Parcel(*site.keep(asked.sealed, text, pack({}))))


def _ask(grid: Grid, **options: Any) -> GridAsk:
    orders = Orders(OPERATOR, {name: key.public_key() for name, key in KEYS.items()})
    return GridAsk(grid, orders, NAMES, to_message=_plain, **options)


def _requests(*sites: int) -> list[Request]:
    return [Request(site, "hello", "{}") for site in sites]


GARBAGE = app.RecordDict({})
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
