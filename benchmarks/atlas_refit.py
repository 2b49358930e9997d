"""How well a rule names the best family, and the prediction's coefficients fitted anew without a data set's kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize

from atlas_sets import kin
from headstart.core.arrays import Array
from headstart.diagnosis.predict import Coefficients, Fit, predict
from headstart.diagnosis.signals import Signals
from headstart.evidence.sides import Family

Row = Mapping[str, Any]
Sharing = Literal["federate", "both"]
SHARING: tuple[Sharing, ...] = ("federate", "both")
NEAR = 0.01
"""A family that is worse than the best by no more is as good as it."""
Chooser = Callable[[Row], Family]


@dataclass(frozen=True)
class Score:
    """How well a rule chooses families.

    Attributes:
        hits: share of federations whose chosen family is within ``NEAR`` of the best.
        regret: mean shortfall from the best family, in accuracy.
        worst: largest shortfall.
        coverage: share of gains inside the predicted 90 % intervals; NaN of a rule without.
        federations: how many.
    """

    hits: float
    regret: float
    worst: float
    coverage: float
    federations: int


def regret(row: Row, family: str) -> float:
    """Return by how much a family is worse than the best, on fresh examples."""
    return float(row["fresh"][row["best"]] - row["fresh"][family])


def gain(row: Row, family: str) -> float:
    """Return what a family truly gains over fine-tuning, on fresh examples."""
    return float(row["fresh"][family] - row["fresh"]["fine-tune"])


def score(rows: Sequence[Row], choose: Chooser, gains: Callable[[Row], Mapping[str, Any]] | None = None) -> Score:
    """Judge a rule on some federations."""
    lost = np.array([regret(row, choose(row)) for row in rows])
    inside = [
        found[family]["low"] <= gain(row, family) <= found[family]["high"]
        for row in rows
        if gains and (found := gains(row))
        for family in SHARING
    ]
    coverage = float(np.mean(inside)) if inside else float("nan")
    # A thousandth of the tolerance is rounding.
    return Score(float((lost <= NEAR + 1e-5).mean()), float(lost.mean()), float(lost.max()), coverage, len(rows))


def sane(row: Row) -> bool:
    """Say whether all signals lie in -1 to 1.

    Where there are fewer examples than features, generalised cross-validation may choose next to no penalty, and
    left-out errors run away; one such federation would turn the fit of all.
    """
    return all(abs(value) <= 1 for own in row["signals"].values() for value in own.values())


def fit(rows: Sequence[Row], family: Sharing, *, validated: bool) -> Coefficients:
    """Fit a family's coefficients: likeliest under ``variance = spread + noise se²``, all of them together."""
    signals = [row["signals"][family] for row in rows]
    names = ("a", "q", "v") if validated else ("a", "q")
    design = np.array([[1.0, *(one[name] for name in names)] for one in signals])
    true = np.array([gain(row, family) for row in rows])
    errors = np.array([one["se"] ** 2 for one in signals])

    def loss(logs: Array) -> float:
        variance = _variance(logs, errors)
        left = true - design @ _weighted(design, true, variance)
        return float((np.log(variance) + left**2 / variance).sum())

    found = optimize.minimize(loss, np.log([1e-3, 0.3]), method="Nelder-Mead").x
    constant, a, q, *v = _weighted(design, true, _variance(found, errors)).tolist()
    spread, noise = np.exp(np.clip(found, -16, 5)).tolist()
    return Coefficients(constant, a, q, v[0] if v else 0.0, spread, noise)


def _variance(logs: Array, errors: Array) -> Array:
    spread, noise = np.exp(np.clip(logs, -16, 5))
    found: Array = spread + noise * errors
    return found


def _weighted(design: Array, true: Array, variance: Array) -> Array:
    scale = 1 / np.sqrt(variance)
    found: Array = np.linalg.lstsq(design * scale[:, None], true * scale, rcond=None)[0]
    return found


def fitted(rows: Sequence[Row]) -> dict[Sharing, Fit]:
    """Fit all coefficients, on federations whose signals are sane."""
    rows = [row for row in rows if sane(row)]
    return {name: Fit(fit(rows, name, validated=True), fit(rows, name, validated=False)) for name in SHARING}


def left_out(rows: Sequence[Row]) -> dict[str, dict[Sharing, Fit]]:
    """Return for each data set the coefficients fitted without it and its kin."""
    names = {row["data"] for row in rows}
    without = {key: fitted([row for row in rows if kin(row["data"]) != key]) for key in {kin(name) for name in names}}
    return {name: without[kin(name)] for name in names}


def foretold(row: Row, coefficients: Mapping[Sharing, Fit], *, validated: bool) -> dict[str, Any]:
    """Predict by other coefficients; as in the row's own prediction."""
    signals = {
        name: Signals(**{**row["signals"][name], **({} if validated else {"v": float("nan")})}) for name in SHARING
    }
    found = predict(signals, coefficients=coefficients)
    return {"family": found.family, "gains": {name: vars(one) for name, one in found.gains.items()}}
