"""What trackers are told of a run: its settings, its curve, its test metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from headstart.core.files import read_json_lines

_CURVE = ("val_loss", "val_accuracy", "val_score", "bytes")


@dataclass(frozen=True)
class Tracked:
    """One run: an arm under a seed.

    Attributes:
        name: such as ``fedavg-0``.
        settings: of the arm's stages, by their paths, and arm and seed.
        curve: after each round ``(step, name, value)``.
        test: metrics on test data, and costs, by name.
    """

    name: str
    settings: Mapping[str, str]
    curve: tuple[tuple[int, str, float], ...]
    test: Mapping[str, float]


class Tracker(Protocol):
    """Takes finished runs."""

    def __call__(self, study: str, runs: Iterator[Tracked], where: str) -> None:
        """Log runs of a study at a place whose meaning is the tracker's."""


def tracked(records: Path) -> Iterator[Tracked]:
    """Yield the runs that a run folder's records say."""
    for record in read_json_lines(records):
        points = enumerate(record["curve"])
        curve = [(step, f"curve/{name}", point[name]) for step, point in points for name in _CURVE]
        test = {f"test/{name}": value for name, value in record["metrics"].items()}
        costs = {f"cost/{name}": value for name, value in (record.get("costs") or {}).items()}
        yield Tracked(
            f"{record['arm']}-{record['seed']}",
            {"arm": str(record["arm"]), "seed": str(record["seed"]), **_flat(record.get("settings") or {})},
            tuple(one for one in curve if one[2] is not None),
            {name: float(value) for name, value in {**test, **costs}.items() if value is not None},
        )


def _flat(settings: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Return settings as words by their paths; a list's items by their places."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, Mapping):
            found |= _flat({str(key): one for key, one in inner.items()}, f"{path}{name}.")
        else:
            found[f"{path}{name}"] = str(value)
    return found
