"""What server and sites say to each other: a kind, plain values, and trees of tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from headstart.core.trees import Tree

Kind = Literal["hello", "start", "update", "adapt", "sums", "heads"]
KINDS: tuple[Kind, ...] = ("hello", "start", "update", "adapt", "sums", "heads")
"""Say who is there · take the model · do a round's work · adapt and evaluate · the two messages of a probe."""


@dataclass(frozen=True, eq=False)
class Request:
    """What the server asks of one site.

    Attributes:
        site: its address, as the transport knows it.
        kind: of the request.
        values: what JSON can say.
        tree: tensors.
    """

    site: int
    kind: Kind
    values: Mapping[str, Any] = field(default_factory=dict)
    tree: Tree = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Reply:
    """What a site answered, or why it did not.

    Attributes:
        site: its address.
        values: what JSON can say.
        tree: tensors.
        error: empty, or what went wrong.
        num_bytes: of the tensors, as they crossed the network.
    """

    site: int
    values: Mapping[str, Any] = field(default_factory=dict)
    tree: Tree = field(default_factory=dict)
    error: str = ""
    num_bytes: int = 0


Ask = Callable[[Sequence[Request]], Iterator[Reply]]
"""Sends requests and yields a reply for each, an error where none came in time."""


def digest(tree: Tree) -> str:
    """Return the SHA-256 of a tree's names, types, shapes and numbers.

    >>> import torch
    >>> digest({"w": torch.zeros(2)}) == digest({"w": torch.zeros(2)}) != digest({"w": torch.zeros(1, 2)})
    True
    """
    found = hashlib.sha256()
    for name in sorted(tree):
        value = tree[name].detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        found.update(value.reshape(-1).numpy().tobytes())
    return found.hexdigest()
