"""The few things that a cluster does for us; Ray does them, and in tests something simpler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headstart.core.errors import HeadstartError


class Lost(Exception):
    """A worker died, or what it had computed is gone with its machine."""


class UnknownHere(HeadstartError):
    """A machine of the cluster cannot import our worker."""


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster.

    Attributes:
        id: how the cluster names it.
        host: its name, for people.
        cores: that it offers.
        cards: that it offers.
    """

    id: str
    host: str
    cores: int
    cards: float = 0.0


class Link(Protocol):
    """A joined cluster; a reference stands for a value that a worker has, or will have, computed."""

    def machines(self) -> Sequence[Machine]:
        """Return the machines that are there now."""
        ...

    def put(self, value: Any) -> Any:
        """Hand a value to the cluster once, and return its reference."""
        ...

    def hire(self, machine: Machine, cores: int, cards: float) -> Any:
        """Begin a worker on a machine; it may come later, or never."""
        ...

    def ask(self, worker: Any, what: str, *values: Any) -> Any:
        """Let a worker call one of its methods, after those it was asked for before; return the answer's reference.

        Args:
            worker: that was hired.
            what: the method.
            values: its arguments; a reference among them arrives as its value.
        """
        ...

    def wait(self, references: Sequence[Any], seconds: float | None = None) -> Sequence[Any]:
        """Return those that are there, at least one; none where that takes longer than ``seconds``."""
        ...

    def get(self, reference: Any) -> Any:
        """Return a value that is there.

        Raises:
            Lost: whoever had it is gone.
            UnknownHere: its machine cannot import our worker.
            HeadstartError: what the worker raised, or that it failed.
        """
        ...

    def dismiss(self, worker: Any) -> None:
        """End a worker at once."""
        ...

    def close(self) -> None:
        """Leave the cluster; one that was started for this study ends."""
        ...
