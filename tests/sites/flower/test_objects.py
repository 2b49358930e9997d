"""What is sent is what is fetched, each part once; what is lost or hostile is told apart."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

pytest.importorskip("flwr")

from flwr.app import Array, ArrayRecord, ConfigRecord, Metadata, MetricRecord, RecordDict
from flwr.app.message import make_message
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_object_tree
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError

from headstart.core.errors import ClientError
from headstart.sites.flower.objects import ALONE, LostError, fetch_content, send_messages

ALL = 2**31


@pytest.fixture
def stored() -> dict[str, bytes]:
    """A link's parts."""
    return {}


def _message(content: RecordDict) -> Any:
    """Flower's own constructor wants a running task."""
    about = Metadata(
        run_id=1,
        message_id="",
        src_node_id=1,
        dst_node_id=7,
        reply_to_message_id="",
        group_id="",
        created_at=0.0,
        ttl=1.0,
        message_type="query.hello",
    )
    return make_message(metadata=about, content=content)


def _send(contents: list[RecordDict], stored: dict[str, bytes]) -> tuple[list[ObjectTree], list[str]]:
    trees: list[ObjectTree] = []
    order: list[str] = []

    def register(heads: list[Any], roots: list[ObjectTree]) -> tuple[Iterable[str], Callable[[str, bytes], None]]:
        assert [head.metadata.message_id for head in heads] == [root.object_id for root in roots]
        trees.extend(roots)
        return [name for root in roots for name in _names(root)], push

    def push(name: str, content: bytes) -> None:
        order.append(name)
        stored[name] = content

    send_messages([_message(content) for content in contents], register)
    return trees, order


def _names(tree: ObjectTree) -> list[str]:
    return [name for child in tree.children for name in _names(child)] + [tree.object_id]


def _alone(text: str) -> RecordDict:
    return RecordDict({ALONE: ConfigRecord({"json": text})})


def _large() -> RecordDict:
    array = Array("uint8", (3,), "safetensors", b"abc")
    return RecordDict({ALONE: ConfigRecord({"json": "{}"}), "tree": ArrayRecord(array_dict={"a": array})})


def test_a_record_that_is_alone_is_one_part(stored: dict[str, bytes]) -> None:
    (tree,), order = _send([_alone("x")], stored)
    assert order == [tree.object_id]
    assert fetch_content(tree, stored.__getitem__, ALL, 1).config_records[ALONE]["json"] == "x"


def test_what_messages_share_is_sent_once(stored: dict[str, bytes]) -> None:
    trees, order = _send([_large(), _large()], stored)
    assert len(order) == len(set(order))
    assert fetch_content(trees[1], stored.__getitem__, ALL, 1).array_records["tree"]["a"].data == b"abc"


def test_a_part_that_never_comes_is_lost(stored: dict[str, bytes]) -> None:
    (tree,), _ = _send([_alone("x")], stored)

    def pull(name: str) -> bytes:
        raise ObjectPullError(name, "gone")

    with pytest.raises(LostError, match="could not be fetched"):
        fetch_content(tree, pull, ALL, 1)


@pytest.mark.parametrize("wrong", [b"garbage", MetricRecord({"a": 1}).deflate()], ids=["garbage", "other"])
def test_what_is_no_content_is_not_lost_but_wrong(wrong: bytes) -> None:
    tree = get_object_tree(MetricRecord({"a": 1}))
    with pytest.raises(ClientError, match="could not be read") as found:
        fetch_content(tree, lambda _: wrong, ALL, 1)
    assert not isinstance(found.value, LostError)


def test_too_many_bytes_are_not_fetched(stored: dict[str, bytes]) -> None:
    (tree,), _ = _send([_alone("x" * 1000)], stored)
    with pytest.raises(ClientError, match="at most 100 bytes") as found:
        fetch_content(tree, stored.__getitem__, 100, 1)
    assert not isinstance(found.value, LostError)


def test_too_many_parts_are_not_fetched() -> None:
    tree = ObjectTree(object_id="a", children=[ObjectTree(object_id=str(number)) for number in range(10_001)])
    with pytest.raises(ClientError, match="at most 10000 parts"):
        fetch_content(tree, lambda _: b"", ALL, 1)
