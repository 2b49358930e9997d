"""Class by class: what the arm to use reaches on each, over all clients' test examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headstart.core.plain import finite
from headstart.report.run import Json, Run
from headstart.report.summary import recommended
from headstart.report.units import Metric

_MOST = 40
_SHARES = ("recall", "f1", "auroc", "auprc")


@dataclass(frozen=True)
class ClassRow:
    """One class, or label: its test examples, and shares as written, means over seeds."""

    name: str
    examples: int
    shares: tuple[str, ...]


def class_rows(run: Run) -> tuple[ClassRow, ...]:
    """The classes with the most test examples first; none where that was not recorded."""
    told = [record["by_class"] for record in run.of(recommended(run) or "") if record.get("by_class")]
    names = [str(name) for name in run.federation.get("outputs") or run.federation.get("classes") or ()]
    if not told or any(len(one["num_examples"]) != len(names) for one in told):
        return ()
    rows = [ClassRow(name, int(told[0]["num_examples"][at]), _shares(told, at)) for at, name in enumerate(names)]
    return tuple(sorted(rows, key=lambda row: -row.examples)[:_MOST])


def _shares(told: list[Json], at: int) -> tuple[str, ...]:
    return tuple(Metric("accuracy").value(_mean([one.get(name) for one in told], at)) for name in _SHARES)


def _mean(each: list[list[float | None] | None], at: int) -> float | None:
    values = [value for one in each if one and (value := finite(one[at])) is not None]
    return sum(values) / len(values) if values else None


def undefined(run: Run) -> Mapping[str, str]:
    """Clients at which the metric is not defined, with the reason."""
    return {str(name): str(why) for name, why in (run.verdict.get("undefined") or {}).items()}
