"""The atlas's rows: lines of the studies and of the predictions, and the one table that they become."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from atlas_refit import foretold, regret
from headstart.diagnosis.predict import FITTED

Row = dict[str, Any]
_PLAN = ("name", "seed", "data", "modality", "clients", "examples", "alpha", "sites", "uneven")
_STUDY = ("answer", "grounds", "leader", "scope", "arms", "fresh", "best", "fresh_se", "seconds", "cpu_seconds")
_FORETOLD = (
    "classes",
    "shift",
    "skew",
    "signals",
    "signals_balanced",
    "predicted",
    "unvalidated",
    "predicted_balanced",
    "old",
)


def read(path: Path) -> list[Row]:
    """Return the finished lines; a torn one, of a run that was killed, is none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def append(path: Path, row: Row) -> None:
    """Add a line in one write, so that processes may share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write all lines anew."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def predictions_of(rows: Path) -> Path:
    """Return where the predictions of a file's federations are kept."""
    return rows.with_suffix(".predicted.jsonl")


def joined(studies: Sequence[Row], predictions: Sequence[Row]) -> list[Row]:
    """Return one row for each federation that has both, rounded, with what each choice costs."""
    foretold = {(row["name"], row["seed"]): row for row in predictions}
    pairs = [(row, foretold[row["name"], row["seed"]]) for row in studies if (row["name"], row["seed"]) in foretold]
    return sorted((_rounded(_row(*pair)) for pair in pairs), key=lambda row: (row["data"], row["name"], row["seed"]))


def _row(study: Row, foretold: Row) -> Row:
    pairs = [pair for pair in study["contrasts"] if pair["scope"] == study["scope"]]
    found = {name: study[name] for name in _PLAN} | {name: study[name] for name in _STUDY}
    found |= {name: foretold[name] for name in _FORETOLD}
    found["balanced"] = {family: study["every_arm"][arm]["balanced"] for family, arm in study["arms"].items()}
    found["contrasts"] = [[pair[key] for key in ("of", "over", "gap", "low", "high", "fresh")] for pair in pairs]
    chosen = {"prediction": foretold["predicted"]["family"], "old": foretold["old"]}
    chosen |= {"answer": study["answer"] or study["leader"], "both": "both", "federate": "federate"}
    return found | {"regret": {rule: regret(study, family) for rule, family in chosen.items()}}


def _rounded(value: Any) -> Any:
    """Round every number to ten-thousandths."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def predicted_now(row: Mapping[str, Any]) -> Row:
    """Return a row with what the coefficients that ship now make of its signals."""
    said = {
        "predicted": foretold(row, FITTED["accuracy"], validated=True),
        "unvalidated": foretold(row, FITTED["accuracy"], validated=False),
        "predicted_balanced": foretold(
            {"signals": row["signals_balanced"]}, FITTED["balanced_accuracy"], validated=True
        ),
    }
    lost = {**row["regret"], "prediction": regret(row, said["predicted"]["family"])}
    return {**row, **_rounded({**said, "regret": lost})}


def in_balanced(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows with truth and prediction in balanced accuracy."""
    return [
        {
            **row,
            "fresh": row["balanced"],
            "best": max(row["balanced"].items(), key=itemgetter(1))[0],
            "signals": row["signals_balanced"],
            "predicted": row["predicted_balanced"],
        }
        for row in rows
    ]


def insides(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Say of every contrast of every answer whether the fresh gap lies in its interval."""
    return [bool(low - 1e-9 <= true <= high + 1e-9) for row in rows for *_, low, high, true in row["contrasts"]]
