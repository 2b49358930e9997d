"""A piece of a study: plain data that name what is to be computed, for whoever has opened the same study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from headstart.core.content import hash_json
from headstart.core.errors import EngineError
from headstart.study.written.arms import Arm, parse_arm

Kind = Literal["start", "federate", "heads", "trials", "result"]
"""What is computed: an arm's start; its federated stages; many arms of heads alone, side by side; trials of an arm,
which may end each other; a whole arm."""


@dataclass(frozen=True)
class Piece:
    """What is to be computed, with one seed.

    Attributes:
        kind: of the work.
        seed: of everything random.
        arms: configurations; one, or for heads and trials any number.
        views: on which the last nodes are evaluated; empty for a start and for federated stages.
        makes: keys of nodes that it leaves in the store, and other pieces need.
        needs: keys of nodes that must be there before it begins.
        size: about how much work it is, in any unit; larger ones begin first.
        failed: what stopped nodes of it before, as an answer says it; filled in when it begins.
    """

    kind: Kind
    seed: int
    arms: tuple[Arm, ...]
    views: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    size: float = 0.0
    failed: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Name the piece by content; names of arms do not count."""
        return hash_json([self.kind, self.seed, [arm.as_json() for arm in self.arms], self.views])

    def as_json(self) -> dict[str, Any]:
        """Return plain values, from which :func:`read_piece` makes an equal piece."""
        arms = [{"name": arm.name, **arm.as_json()} for arm in self.arms]
        said = {name: getattr(self, name) for name in ("kind", "seed", "size", "failed")}
        return {**said, "arms": arms, **{name: list(getattr(self, name)) for name in ("views", "makes", "needs")}}


def read_piece(table: Mapping[str, Any]) -> Piece:
    """Return a piece from plain values.

    Raises:
        SettingError: an arm's table is none.
        EngineError: the kind is unknown.
    """
    if table["kind"] not in get_args(Kind):
        raise EngineError(f"piece: kind must be one of {', '.join(get_args(Kind))}, received {table['kind']!r}")
    arms = [dict(arm) for arm in table["arms"]]
    lists = {name: tuple(table[name]) for name in ("views", "makes", "needs")}
    found = tuple(parse_arm(arm.pop("name"), arm) for arm in arms)
    return Piece(table["kind"], int(table["seed"]), found, **lists, size=float(table["size"]), failed=table["failed"])
