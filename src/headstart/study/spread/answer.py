"""What is said of a piece that ended: the errors of nodes that cannot be computed, and lines for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headstart.core.errors import ClientError, DataError, HeadstartError, MetricError, ModelError, SettingError

_ERRORS: Mapping[str, type[HeadstartError]] = {
    "ClientError": ClientError,
    "DataError": DataError,
    "MetricError": MetricError,
    "ModelError": ModelError,
    "SettingError": SettingError,
}
"""Errors that come again wherever the node is computed; others are left for whoever computes it next."""


@dataclass(frozen=True)
class Answer:
    """What came of a piece, beside its nodes.

    Attributes:
        failed: what stopped nodes, by their key.
        notes: lines that the user must see.
    """

    failed: Mapping[str, HeadstartError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain values, from which :func:`read_answer` makes the same."""
        failed = {key: [type(error).__name__, str(error)] for key, error in self.failed.items()}
        return {"failed": {key: said for key, said in failed.items() if said[0] in _ERRORS}, "notes": [*self.notes]}


def read_answer(table: Mapping[str, Any]) -> Answer:
    """Return an answer from plain values.

    >>> read_answer(Answer({"a": ClientError("all failed")}).as_json()).failed
    {'a': ClientError('all failed')}
    """
    return Answer(read_errors(table["failed"]), tuple(map(str, table["notes"])))


def read_errors(table: Mapping[str, Sequence[str]]) -> dict[str, HeadstartError]:
    """Return errors from plain values: a kind and a text for each key."""
    return {str(key): _ERRORS[kind](str(text)) for key, (kind, text) in table.items() if kind in _ERRORS}
