"""What a run folder was made with and what the study says now: which records still count, and why others do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.core.version import __version__
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.trials import changes
from headstart.study.written.arms import Arm

Record = Mapping[str, Any]
_SHOWN = 3
"""How many changes a line names."""


@dataclass(frozen=True)
class Fits:
    """Says whether a record is what the study would make now.

    Attributes:
        trials: the configurations of every arm, by its name.
        pipeline: returns what runs arms for a seed.
        seeds: of the study.
    """

    trials: Mapping[str, Sequence[Arm]]
    pipeline: Callable[[int], Pipeline]
    seeds: Sequence[int]

    def __call__(self, line: Record) -> bool:
        """Compare arm, seed, tuning, and the content that names the result."""
        trials = self.trials.get(line["arm"], ())
        chosen = next((trial for trial in trials if trial.as_json() == line["settings"]), None)
        if chosen is None or line["seed"] not in self.seeds:
            return False
        pipeline = self.pipeline(line["seed"])
        return bool(
            [tried["values"] for tried in line["tuning"]] == _tried(trials)
            and line["key"] == pipeline.leaf_key(pipeline.trunk_key(chosen), chosen.adapt, pipeline.final_views)
        )


def _tried(trials: Sequence[Arm]) -> list[dict[str, Any]]:
    return [changes(trials[0], trial) for trial in trials] if len(trials) > 1 else []


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the settings that both have and that differ; one that only one of them has is no change.

    >>> differences({"decision": {"metric": "accuracy"}}, {"decision": {"metric": "macro_f1", "more": 1}})
    ["decision.metric was 'accuracy', is 'macro_f1'"]
    """
    old, new = dict(_flat(before)), dict(_flat(now))
    return [f"{path} was {old[path]!r}, is {new[path]!r}" for path in old if path in new and old[path] != new[path]]


def not_used(lost: Sequence[Record], facts: tuple[Record, Record], settings: tuple[Record, Record]) -> str:
    """Say why records are not used.

    Args:
        lost: the records.
        facts: what ``federation.json`` said of the data before, and says now.
        settings: of the study before, and now.
    """
    count = "1 record of before is" if len(lost) == 1 else f"{len(lost)} records of before are"
    return f"{_why(lost, *facts, *settings)}: {count} not used"


def too_old(lost: Sequence[Record], runs: int) -> str:
    """Say which of so many runs kept no predictions of examples.

    >>> too_old([{"arm": "ridge", "seed": 0}, {"arm": "ridge", "seed": 1}], 4)
    '2 of 4 runs are older than per-example predictions: ridge; run into a new folder to have them'
    """
    arms = list(dict.fromkeys(str(line["arm"]) for line in lost))
    more = f" and {len(arms) - _SHOWN} more" if len(arms) > _SHOWN else ""
    which = f"{', '.join(arms[:_SHOWN])}{more}; run into a new folder to have them"
    return f"{len(lost)} of {runs} runs are older than per-example predictions: {which}"


def _why(lost: Sequence[Record], facts: Record, facts_now: Record, settings: Record, settings_now: Record) -> str:
    found = differences(settings, settings_now)
    if facts.get("key") not in (None, facts_now["key"]):
        own = [change for change in found if change.startswith("data.") and "'python:" not in change]
        return f"the data changed ({_some([*own, *_other_data(facts, facts_now)])})"
    versions = {str(line.get("versions", {}).get("headstart", __version__)) for line in lost} - {__version__}
    if versions:
        return f"the program changed (headstart was {', '.join(sorted(versions))}, is {__version__})"
    shared = [change for change in found if not change.startswith(("name ", "decision."))]
    return f"settings changed ({_some(shared)})" if shared else "the study has other arms, seeds or tuning"


def _other_data(facts: Record, now: Record) -> Iterator[str]:
    """Name what differs in the sizes of two federations; the values, where nothing does."""
    old, new = _sizes(facts), _sizes(now)
    different = [f"{what} were {old[what]:,}, are {new[what]:,}" for what in old if old[what] != new[what]]
    yield from different or ["as many rows, with other values or at other clients"]


def _sizes(facts: Record) -> dict[str, int]:
    return {
        "rows used": sum(client[part] for client in facts["clients"] for part in ("train", "val", "test")),
        "clients": len(facts["clients"]),
        "classes": len(facts["classes"]),
        "rows of the central pool": facts["central"],
    }


def _some(found: Sequence[str]) -> str:
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", list(value) if isinstance(value, tuple) else value
