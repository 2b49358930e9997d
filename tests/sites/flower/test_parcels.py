"""Flower's messages: what was sent is what is read; garbage and giants are refused."""

from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.errors import ClientError
from headstart.sites.flower.parcels import Parcel, from_content, pack, to_content
from headstart.sites.signed import Sealed

app: Any = pytest.importorskip("flwr.app")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8])
def test_what_was_sent_is_read(dtype: torch.dtype) -> None:
    tree = {"w": torch.arange(6).view(2, 3).to(dtype), "empty": torch.zeros(0, 4, dtype=dtype)}
    parcel = from_content(to_content(Parcel('{"a": [1, null, "x"]}', pack(tree), Sealed("{}", "ab"))))
    assert (parcel.text, parcel.sealed) == ('{"a": [1, null, "x"]}', Sealed("{}", "ab"))
    found = parcel.tree()
    assert all(torch.equal(found[name], tree[name]) and found[name].dtype == dtype for name in tree)


@pytest.mark.parametrize("size", [0, 2**18, 2**18 + 1, 3 * 2**20])
def test_few_bytes_travel_beside_their_text_and_many_apart(size: int) -> None:
    packed = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    content = to_content(Parcel("{}", packed, Sealed("{}", "ab")))
    assert from_content(content).packed == packed
    assert len(content) == (1 if size <= 2**18 else 2)


def test_the_same_sent_again_is_another_message() -> None:
    parcel = Parcel("{}", b"", Sealed("{}", "ab"))
    assert to_content(parcel).object_id != to_content(parcel).object_id


def _raw(data: bytes, stype: str = "numpy.ndarray") -> Any:
    array = app.Array("float32", (2,), stype, data)
    return app.RecordDict(
        {
            "values": app.ConfigRecord({"json": "{}", "sealed": "", "signature": ""}),
            "tree": app.ArrayRecord(array_dict={"safetensors": array}),
        }
    )


def _array(packed: Any) -> Any:
    tree = app.ArrayRecord(array_dict={"safetensors": app.Array(packed)})
    return app.RecordDict({"values": app.ConfigRecord({"json": "{}", "sealed": "", "signature": ""}), "tree": tree})


PICKLED = np.array([{"a": 1}], dtype=object).dumps()


@pytest.mark.parametrize(
    "content",
    [
        _raw(b"garbage"),
        _raw(PICKLED),
        _raw(b"", "torch.pickle"),
        _array(np.frombuffer(PICKLED, np.uint8)),
        _array(np.frombuffer((2**40).to_bytes(8, "little") + b"{}", np.uint8)),
        app.RecordDict(
            {
                "values": app.ConfigRecord({"json": "{}", "sealed": "", "signature": ""}),
                "tree": app.ArrayRecord(array_dict={}),
            }
        ),
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
        from_content(to_content(Parcel("{}", bytes(1000), Sealed("", ""))), most_bytes=100)
