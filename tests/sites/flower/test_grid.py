"""Flower's messages: what was sent is what is read; garbage and giants are refused; a round closes in time."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headstart.core.errors import ClientError
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.parcels import Parcel, from_content, pack, to_content
from headstart.sites.signed import Obeyed, Orders, Sealed
from headstart.sites.transport import Answer, Failed, Request

app: Any = pytest.importorskip("flwr.app")


SEALED = Sealed("{}", "00")
VALUES = {"json": "{}", "sealed": "{}", "signature": "00"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8])
def test_what_was_sent_is_read(dtype: torch.dtype) -> None:
    tree = {"w": torch.arange(6).view(2, 3).to(dtype), "empty": torch.zeros(0, 4, dtype=dtype)}
    parcel = from_content(to_content(Parcel('{"a": [1, null, "x"]}', pack(tree), SEALED)))
    found = parcel.tree()
    assert (parcel.text, parcel.sealed) == ('{"a": [1, null, "x"]}', SEALED)
    assert all(torch.equal(found[name], tree[name]) and found[name].dtype == dtype for name in tree)


def _raw(data: bytes, stype: str = "numpy.ndarray") -> Any:
    array = app.Array("float32", (2,), stype, data)
    return app.RecordDict(
        {"values": app.ConfigRecord(VALUES), "tree": app.ArrayRecord(array_dict={"safetensors": array})}
    )


def _array(packed: Any) -> Any:
    tree = app.ArrayRecord(array_dict={"safetensors": app.Array(packed)})
    return app.RecordDict({"values": app.ConfigRecord(VALUES), "tree": tree})


PICKLED = np.array([{"a": 1}], dtype=object).dumps()


@pytest.mark.parametrize(
    "content",
    [
        _raw(b"garbage"),
        _raw(PICKLED),
        _raw(b"", "torch.pickle"),
        _array(np.frombuffer(PICKLED, np.uint8)),
        _array(np.frombuffer((2**40).to_bytes(8, "little") + b"{}", np.uint8)),
        app.RecordDict({"values": app.ConfigRecord(VALUES), "tree": app.ArrayRecord(array_dict={})}),
        app.RecordDict({"values": app.ConfigRecord({}), "tree": app.ArrayRecord(array_dict={})}),
        app.RecordDict({}),
    ],
    ids=["garbage", "pickle", "other serialisation", "packed pickle", "long header", "no tree", "no text", "nothing"],
)
def test_what_cannot_be_read_is_refused(content: Any) -> None:
    with pytest.raises(ClientError, match="a message could not be read"):
        from_content(content).tree()


def test_a_giant_is_not_read() -> None:
    with pytest.raises(ClientError, match="must have at most 100 bytes"):
        from_content(to_content(Parcel("{}", pack({"w": torch.zeros(1000)}), SEALED)), most_bytes=100)


NAMES = {1: "one", 2: "two", 3: "three", 4: "four"}


def _plain(parcel: Parcel, site: int, kind: str, seconds: float) -> Any:
    """Flower's own messages can be made within a running task only."""
    return SimpleNamespace(metadata=SimpleNamespace(dst_node_id=site), parcel=parcel)


class Grid:
    """Answers by site: signed by somebody's name, with an error, with garbage, or never."""

    def __init__(self, folder: Path, answers: dict[int, Any]) -> None:
        self.answers, self.sent, self.folder = answers, {}, folder
        self.signer = Ed25519PrivateKey.generate()
        self.keys = {name: generate_private_key(SECP384R1()) for name in NAMES.values()}

    def ask(self, **options: Any) -> GridAsk:
        orders = Orders(self.signer, {name: key.public_key() for name, key in self.keys.items()})
        grid: Any = self
        return GridAsk(grid, orders, NAMES, to_message=_plain, **options)

    def push_messages(self, messages: Any) -> list[str]:
        for message in messages:
            self.sent[f"m{message.metadata.dst_node_id}"] = message
        return list(self.sent)

    def pull_messages(self, ids: list[str]) -> list[Any]:
        return [self._reply(each) for each in ids if self.answers[self.sent[each].metadata.dst_node_id] is not None]

    def _reply(self, each: str) -> Any:
        answer = self.answers[self.sent[each].metadata.dst_node_id]
        failed = isinstance(answer, str)
        content = self._signed_by(answer[0], self.sent[each].parcel) if isinstance(answer, tuple) else answer
        metadata = SimpleNamespace(reply_to_message_id=each, src_node_id=0)
        error = SimpleNamespace(reason=answer, code=2)
        return SimpleNamespace(metadata=metadata, has_error=lambda: failed, error=error, content=content)

    def _signed_by(self, name: str, asked: Parcel) -> Any:
        site = Obeyed(name, b"", self.keys[name], self.folder / name / "orders.json")
        return to_content(Parcel(*site.keep(asked.sealed, '{"n": 1}', pack({}))))


def test_every_site_has_a_reply_whatever_it_did(tmp_path: Path) -> None:
    grid = Grid(tmp_path, {1: ("one",), 2: "boom", 3: _raw(b"garbage"), 4: None})
    replies = list(grid.ask(timeout=0.5)([Request(site, "hello", "{}") for site in NAMES]))
    assert [(reply.site, reply.client) for reply in replies] == list(NAMES.items())
    assert isinstance(replies[0], Answer)
    assert replies[0].said == '{"n": 1}'
    reasons = ["it failed: boom", "could not be read", "did not answer within 0.5 s"]
    assert all(reason in reply.reason for reason, reply in zip(reasons, replies[1:], strict=True))


def test_a_site_that_answers_in_anothers_name_is_refused_by_its_own(tmp_path: Path) -> None:
    (reply,) = Grid(tmp_path, {1: ("two",)}).ask(timeout=5)([Request(1, "hello", "{}")])
    assert isinstance(reply, Failed)
    assert (reply.client, reply.reason) == ("one", "the answer is not signed by the key of 'one'; it was not read")


def test_a_round_closes_when_enough_have_answered(tmp_path: Path) -> None:
    grid = Grid(tmp_path, {1: ("one",), 2: ("two",), 3: None})
    came = grid.ask(timeout=60, enough=0.6, grace=0.1)([Request(site, "hello", "{}") for site in (1, 2, 3)])
    assert [isinstance(reply, Failed) for reply in came] == [False, False, True]
