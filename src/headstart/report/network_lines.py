"""The lines of ``network.jsonl``: one for every exchange of a real federation, as the server noted it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from headstart.core.damage import Damaged
from headstart.core.errors import SettingError
from headstart.core.files import read_json_lines
from headstart.core.sealed import Needs

NETWORK = "network.jsonl"
DELTA = 1e-5
"""Of every epsilon that is reckoned from noise on answers."""

_NEEDS: Needs = {"what": str, "clients": dict, "seconds": (int, float)}
_COUNTS_ONCE = ("round", "scores", "adapt")
"""Exchanges that belong to a stage, and are repeated only where a run was cut off."""


class AtSite(TypedDict):
    """How an exchange went with one client: what came, why nothing, bytes, how often it was asked again, noise."""

    how: str
    reason: str
    down: int
    up: int
    again: int
    noise: float | None


@dataclass(frozen=True)
class Line:
    """One exchange.

    Attributes:
        what: it was for.
        clients: how it went with each, by name.
        seconds: that it took.
        masks: whether they hid what clients sent from the server.
        run: names the server's program.
        stage: the node that it was for; empty of what is for no single one.
        method: of the stage.
        round: of the stage; None of what is none.
    """

    what: str
    clients: Mapping[str, AtSite]
    seconds: float
    masks: bool = False
    run: str = ""
    stage: str = ""
    method: str = ""
    round: int | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Line:
        """Take what the file says, and nothing else that stands there."""
        return cls(**{name: said[name] for name in cls.__dataclass_fields__ if name in said})

    @property
    def given(self) -> int:
        """How many answers came."""
        return sum(one["how"] == "answered" for one in self.clients.values())

    @property
    def is_short(self) -> bool:
        """Whether somebody's is missing."""
        return self.given < len(self.clients)

    @property
    def down(self) -> int:
        """Bytes that went to all clients."""
        return sum(one["down"] for one in self.clients.values())

    @property
    def up(self) -> int:
        """Bytes that came from all clients."""
        return sum(one["up"] for one in self.clients.values())

    @property
    def noises(self) -> Mapping[str, float]:
        """Noise on each answer, in sensitivities, by client."""
        return {name: one["noise"] or 0.0 for name, one in self.clients.items() if one["how"] == "answered"}


def read_network(folder: Path, key: str, value: str) -> tuple[tuple[Line, ...], list[str]]:
    """Return the lines that are of the data, or of the run, that is meant; and what a reader should know of the file.

    Args:
        folder: of the run.
        key: of a line, ``data`` or ``run``.
        value: that it must have.

    Raises:
        DataError: the file may not be read.
    """
    bad: list[Damaged] = []
    lines = read_json_lines(folder / NETWORK, _NEEDS, bad.append)
    note = f"{NETWORK} is damaged ({bad[0].why}); what {len(bad)} of its lines said is not counted." if bad else ""
    return tuple(Line.of(line) for line in lines if line.get(key) == value), [note] if note else []


def once(lines: Sequence[Line]) -> list[Line]:
    """Return the lines, of those that are of the same round the last one."""
    latest: dict[Any, Line] = {}
    for at, line in enumerate(lines):
        is_staged = line.what in _COUNTS_ONCE and line.stage
        name = (line.what, line.stage, line.round) if is_staged else at
        latest.pop(name, None)
        latest[name] = line
    return list(latest.values())


def spent(lines: Iterable[Line]) -> float | None:
    """Return the epsilon of the noisy answers of the client that spent most; None without the accountant, or noise."""
    from headstart.training.accountant import gaussian_epsilon

    noises: dict[str, list[float]] = {}
    for line in lines:
        for name, noise in line.noises.items():
            noises.setdefault(name, []).extend([noise] if noise else [])
    try:
        return max((gaussian_epsilon(each, DELTA) for each in noises.values() if each), default=None)
    except SettingError:  # the accountant is not installed
        return None
