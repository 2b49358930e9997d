"""What the search for the depth of unfreezing came to: validation against the number of blocks that trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.report.run import Json, Run

DEPTH = "adapt.depth"


@dataclass(frozen=True)
class _Depths:
    """One arm's search.

    Attributes:
        arm: whose.
        best: for each depth that was tried: how many trials had it, and the best validation score of them.
        chosen: the depth of the trial that was taken.
    """

    arm: str
    best: tuple[tuple[int, int, float], ...]
    chosen: int

    @property
    def sentence(self) -> str:
        """Whether unfreezing paid, on validation data."""
        scores = {depth: score for depth, _, score in self.best}
        if self.chosen == 0:
            return "unfreezing did not pay: the head alone did best"
        if 0 not in scores:
            return f"{self.chosen} unfrozen did best; the head alone was not tried"
        return f"unfreezing paid: {scores[self.chosen]:.3f} with {self.chosen}, {scores[0]:.3f} with the head alone"


def depths(run: Run) -> list[_Depths]:
    """Return the search of every arm that had one."""
    found = (_depths(run, arm) for arm in run.arms)
    return [search for search in found if search is not None]


def _depths(run: Run, arm: str) -> _Depths | None:
    trials: list[Json] = next((record["tuning"] for record in run.of(arm) if record.get("tuning")), [])
    if not any(DEPTH in trial["values"] for trial in trials):
        return None
    written = _written(run.study, arm)
    scored = [
        (int(t["values"].get(DEPTH, written)), abs(t["score"]), t["score"], t["chosen"])
        for t in trials
        if t["score"] is not None
    ]
    by_depth: dict[int, list[tuple[float, float]]] = {}
    for depth, shown, score, _ in scored:
        by_depth.setdefault(depth, []).append((score, shown))
    best = tuple((depth, len(tried), max(tried)[1]) for depth, tried in sorted(by_depth.items()))
    return _Depths(arm, best, next(depth for depth, _, _, chosen in scored if chosen))


def _written(study: Json, arm: str) -> int:
    stage: Any = study.get("arms", {}).get(arm, {}).get("adapt", {})
    return int(stage.get("depth", 0)) if isinstance(stage, dict) else 0
