"""Every rule of the atlas, judged on the same federations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from atlas_refit import Chooser, Score, Sharing, fitted, foretold, left_out, score, widened
from atlas_rows import in_balanced
from headstart.diagnosis.predict import Fit
from headstart.evidence.sides import FAMILIES, Family

Row = Mapping[str, Any]


def choosers(rows: Sequence[Row]) -> dict[str, Score]:
    """Return how well every rule that needs no fitting here chooses."""
    balanced = in_balanced(rows)
    return {
        "the prediction": of_prediction(rows),
        "the prediction without validation data": score(
            rows, lambda row: row["unvalidated"]["family"], lambda row: row["unvalidated"]["gains"]
        ),
        "the rule before it": score(rows, lambda row: row["old"]),
        **{f"always {family}": score(rows, _always(family)) for family in FAMILIES},
        "the study's answer, or the family ahead": score(rows, lambda row: row["answer"] or row["leader"]),
        "the prediction, in balanced accuracy": of_prediction(balanced),
        "always both, in balanced accuracy": score(balanced, _always("both")),
    }


def of_prediction(rows: Sequence[Row]) -> Score:
    """Return how well the rows' own predictions choose."""
    return score(rows, lambda row: row["predicted"]["family"], lambda row: row["predicted"]["gains"])


def _always(family: Family) -> Chooser:
    return lambda _row: family


def refitted(rows: Sequence[Row]) -> dict[str, Score]:
    """Return how well the prediction chooses with coefficients fitted without a data set's kin."""
    balanced = in_balanced(rows)
    return {
        "the prediction, its variances fitted without the data set's kin": _refitted(
            rows, partial(widened, moved=False)
        ),
        "all refitted without kin": _refitted(rows, fitted),
        "the same without validation data": _refitted(rows, fitted, validated=False),
        "in balanced accuracy, constants and variances without kin": _refitted(balanced, partial(widened, moved=True)),
        "all refitted without kin, in balanced accuracy": _refitted(balanced, fitted),
    }


def _refitted(
    rows: Sequence[Row], fitting: Callable[[Sequence[Row]], Mapping[Sharing, Fit]], *, validated: bool = True
) -> Score:
    coefficients = left_out(rows, fitting)
    said = {row["name"]: foretold(row, coefficients[row["data"]], validated=validated) for row in rows}
    return score(rows, lambda row: said[row["name"]]["family"], lambda row: said[row["name"]]["gains"])
