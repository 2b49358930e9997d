"""Our messages as Flower's records, and back; nothing that came over the network is used before it is looked at."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from safetensors.torch import load, save

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.flower.objects import ALONE
from headstart.sites.settings import NodeSettings
from headstart.sites.signed import Sealed

_PACKED = "safetensors"

_FEW_BYTES = 2**18
"""Tensors that travel beside their text: a part of their own, and what it consists of, takes three calls more."""


@dataclass(frozen=True, eq=False)
class Parcel:
    """What travels.

    Attributes:
        text: the message as JSON.
        packed: tensors, as the bytes of a safetensors file: one array, as Flower stores every array on its own, and a
            database that many sites write many small ones to at once falls behind.
        sealed: what was signed of it.
    """

    text: str
    packed: bytes
    sealed: Sealed

    def tree(self) -> Tree:
        """Return the tensors.

        Raises:
            ClientError: the bytes are no tensors.
        """
        return unpack(self.packed)


def pack(tree: Tree) -> bytes:
    """Return tensors as they travel."""
    return save({name: value.detach().cpu().contiguous() for name, value in tree.items()})


def unpack(packed: bytes) -> Tree:
    """Undo :func:`pack`.

    Raises:
        ClientError: the bytes are no tensors.
    """
    try:
        # Copied: products of numbers that lie elsewhere in a cache line may round differently.
        return {name: value.clone() for name, value in load(packed).items()}
    except Exception as error:  # whatever a hostile sender can make a parser raise
        raise _unreadable(error) from None


def to_content(parcel: Parcel) -> RecordDict:
    """Return a Flower record; many bytes are a part of their own, which a link stores once for all sites."""
    values = ConfigRecord({"json": parcel.text, "sealed": parcel.sealed.text, "signature": parcel.sealed.signature})
    # The link knows contents by their hash, and would take the same sent again for what it has handed out already.
    values["copy"] = secrets.token_hex(8)
    if len(parcel.packed) <= _FEW_BYTES:
        values[_PACKED] = parcel.packed
        return RecordDict({ALONE: values})
    array = Array("uint8", (len(parcel.packed),), _PACKED, parcel.packed)
    tensors = ArrayRecord(array_dict={_PACKED: array})
    return RecordDict({ALONE: values, "tree": tensors})


def from_content(content: RecordDict, most_bytes: int = NodeSettings.most_bytes) -> Parcel:
    """Read a Flower record; its tensors are not read yet.

    Raises:
        ClientError: the message is too large, or its parts are not what they say.
    """
    try:
        values = dict(content.config_records[ALONE])
        beside = values.pop(_PACKED, None)
        said = {name: str(value) for name, value in values.items()}
        size = sum(map(len, said.values())) + _size(content, beside)
        if size <= most_bytes:
            packed = beside if isinstance(beside, bytes) else content.array_records["tree"][_PACKED].data
            return Parcel(said["json"], packed, Sealed(said["sealed"], said["signature"]))
    except Exception as error:  # the same
        raise _unreadable(error) from None
    raise ClientError(f"a message must have at most {most_bytes} bytes, received {size}; nothing was read")


def _size(content: RecordDict, beside: object) -> int:
    if isinstance(beside, bytes):
        return len(beside)
    return sum(len(array.data) for array in content.array_records["tree"].values())


def _unreadable(error: Exception) -> ClientError:
    return ClientError(f"a message could not be read ({type(error).__name__}: {error})")
