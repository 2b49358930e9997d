"""Flower's messages: what was sent is what is read; garbage and giants are refused; a round closes in time."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.errors import ClientError
from headstart.sites.flower.grid import GridAsk, from_content, to_content
from headstart.sites.transport import Failed, Request

app: Any = pytest.importorskip("flwr.app")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8])
def test_what_was_sent_is_read(dtype: torch.dtype) -> None:
    tree = {"w": torch.arange(6).view(2, 3).to(dtype), "empty": torch.zeros(0, 4, dtype=dtype)}
    text, found, size = from_content(to_content('{"a": [1, null, "x"]}', tree))
    assert text == '{"a": [1, null, "x"]}'
    assert all(torch.equal(found[name], tree[name]) and found[name].dtype == dtype for name in tree)
    assert size >= sum(value.numel() * value.element_size() for value in tree.values())


def _raw(data: bytes, stype: str = "numpy.ndarray") -> Any:
    array = app.Array("float32", (2,), stype, data)
    return app.RecordDict(
        {"values": app.ConfigRecord({"json": "{}"}), "tree": app.ArrayRecord(array_dict={"safetensors": array})}
    )


def _array(packed: Any) -> Any:
    tree = app.ArrayRecord(array_dict={"safetensors": app.Array(packed)})
    return app.RecordDict({"values": app.ConfigRecord({"json": "{}"}), "tree": tree})


PICKLED = np.array([{"a": 1}], dtype=object).dumps()


@pytest.mark.parametrize(
    "content",
    [
        _raw(b"garbage"),
        _raw(PICKLED),
        _raw(b"", "torch.pickle"),
        _array(np.frombuffer(PICKLED, np.uint8)),
        _array(np.frombuffer((2**40).to_bytes(8, "little") + b"{}", np.uint8)),
        app.RecordDict({"values": app.ConfigRecord({"json": "{}"}), "tree": app.ArrayRecord(array_dict={})}),
        app.RecordDict({"values": app.ConfigRecord({}), "tree": app.ArrayRecord(array_dict={})}),
        app.RecordDict({}),
    ],
    ids=["garbage", "pickle", "other serialisation", "packed pickle", "long header", "no tree", "no text", "nothing"],
)
def test_what_cannot_be_read_is_refused(content: Any) -> None:
    with pytest.raises(ClientError, match="a message could not be read"):
        from_content(content)


def test_a_giant_is_not_read() -> None:
    with pytest.raises(ClientError, match="must have at most 100 bytes"):
        from_content(to_content("{}", {"w": torch.zeros(1000)}), most_bytes=100)


def _plain(request: Request, seconds: float) -> Any:
    """Flower's own messages can be made within a running task only."""
    return SimpleNamespace(metadata=SimpleNamespace(dst_node_id=request.site))


class Grid:
    """Answers by site: at once, with an error, with garbage, or never."""

    def __init__(self, answers: dict[int, Any]) -> None:
        self.answers, self.sent = answers, {}

    def push_messages(self, messages: Any) -> list[str]:
        for message in messages:
            self.sent[f"m{message.metadata.dst_node_id}"] = message.metadata.dst_node_id
        return list(self.sent)

    def pull_messages(self, ids: list[str]) -> list[Any]:
        found = []
        for each in ids:
            if (answer := self.answers[self.sent[each]]) is not None:
                failed = isinstance(answer, str)
                metadata = SimpleNamespace(reply_to_message_id=each, src_node_id=0)
                error = SimpleNamespace(reason=answer, code=2)
                found.append(
                    SimpleNamespace(metadata=metadata, has_error=lambda f=failed: f, error=error, content=answer)
                )
        return found


def test_every_site_has_a_reply_whatever_it_did() -> None:
    grid = Grid({1: to_content('{"n": 1}', {}), 2: "boom", 3: _raw(b"garbage"), 4: None})
    ask = GridAsk(grid, timeout=0.5, to_message=_plain)
    replies = list(ask([Request(site, "hello", "{}") for site in (1, 2, 3, 4)]))
    assert [reply.site for reply in replies] == [1, 2, 3, 4]
    assert replies[0].said == '{"n": 1}'
    reasons = ["it failed: boom", "could not be read", "did not answer within 0.5 s"]
    assert all(reason in reply.reason for reason, reply in zip(reasons, replies[1:], strict=True))


def test_a_round_closes_when_enough_have_answered() -> None:
    grid = Grid({1: to_content("{}", {}), 2: to_content("{}", {}), 3: None})
    ask = GridAsk(grid, timeout=60, enough=0.6, grace=0.1, to_message=_plain)
    assert [isinstance(reply, Failed) for reply in ask([Request(site, "hello", "{}") for site in (1, 2, 3)])] == [
        False,
        False,
        True,
    ]
