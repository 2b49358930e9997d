"""A look at an ONNX file before ONNX Runtime sees it: a network of a bundle refers to no other file.

ONNX lets a tensor lie in a file beside the model, by any path, which ONNX Runtime then reads: a stranger's network
could take in any file of the device. The format is protobuf; fields by the numbers of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. No library is needed to walk them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headstart_edge.errors import EdgeError

_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {},
}
"""Of each message, the fields in which a tensor may be."""

_EXTERNAL, _LOCATION = 13, 14
_VARINT, _FIXED64, _MESSAGE, _FIXED32 = 0, 1, 2, 5


def check_network(raw: bytes, name: str) -> None:
    """Check that a network is an ONNX file that holds all its numbers itself.

    Args:
        raw: the file.
        name: of the file.

    Raises:
        EdgeError: it refers to another file, or is no ONNX file.
    """
    try:
        outside = _refers_outside(memoryview(raw))
    except (ValueError, IndexError):
        raise EdgeError(f"{name}: cannot be opened (it is no ONNX file); export the bundle again") from None
    if outside:
        raise EdgeError(
            f"{name}: must hold all its numbers itself, received a network that refers to a file outside the manifest; "
            "refused: export the bundle again"
        )


def _refers_outside(model: memoryview) -> bool:
    waiting = [("model", model)]
    while waiting:
        kind, message = waiting.pop()
        for number, wire, value in _fields(message):
            if kind == "tensor" and (number == _EXTERNAL or (number == _LOCATION and value)):
                return True
            if number in _INSIDE[kind]:
                if wire != _MESSAGE or not isinstance(value, memoryview):
                    raise ValueError(f"field {number} of a {kind}")
                waiting.append((_INSIDE[kind][number], value))
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview | int]]:
    """Yield every field of a message: its number, its wire type, its bytes or its number.

    Raises:
        ValueError: it is no message.
        IndexError: it ends too early.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        # Readers keep 32 bits of a key.
        number, wire = (key & 0xFFFFFFFF) >> 3, key & 7
        if wire == _VARINT:
            found, place = _varint(message, place)
            yield number, wire, found
            continue
        if wire not in (_FIXED64, _MESSAGE, _FIXED32):
            raise ValueError(f"wire type {wire}")
        length, place = _varint(message, place) if wire == _MESSAGE else (8 if wire == _FIXED64 else 4, place)
        if length > len(message) - place:
            raise ValueError(f"{length} bytes where {len(message) - place} are left")
        yield number, wire, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), place
    raise ValueError("a number of more than 10 bytes")
