"""How well a rule names the best family, and the prediction's coefficients fitted anew without a data set's kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import optimize

from atlas_sets import kin
from headstart.core.arrays import Array
from headstart.diagnosis.predict import FITTED, Coefficients, Fit, predict
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


def fit(rows: Sequence[Row], family: Sharing, *, validated: bool) -> Coefficients:
    """Fit a family's coefficients: likeliest under ``variance = spread + noise se² + few alone``, all together."""
    design = _design(rows, family)[:, : 4 if validated else 3]
    true, parts = np.array([gain(row, family) for row in rows]), _parts(rows, family)
    found = _likeliest(parts, lambda variance: true - design @ _weighted(design, true, variance))
    constant, a, q, *v = _weighted(design, true, parts @ found).tolist()
    return Coefficients(constant, a, q, v[0] if v else 0.0, *found.tolist())


def _design(rows: Sequence[Row], family: Sharing) -> Array:
    found: Array = np.array([[1.0, *(row["signals"][family][name] for name in ("a", "q", "v"))] for row in rows])
    return found


def _parts(rows: Sequence[Row], family: Sharing) -> Array:
    signals = [row["signals"][family] for row in rows]
    found: Array = np.array([[1.0, one["se"] ** 2, one.get("alone", 0.0)] for one in signals])
    return found


def _likeliest(parts: Array, left: Callable[[Array], Array]) -> Array:
    """Return what each part of a variance counts, ``(parts,)``, given what is left of gains under a variance."""

    def loss(logs: Array) -> float:
        variance = parts @ np.exp(np.clip(logs, -16, 5))
        return float((np.log(variance) + left(variance) ** 2 / variance).sum())

    start = np.log([1e-3, 0.3, 0.1])
    found: Array = np.exp(np.clip(optimize.minimize(loss, start, method="Nelder-Mead").x, -16, 5))
    return found


def _weighted(design: Array, true: Array, variance: Array) -> Array:
    scale = 1 / np.sqrt(variance)
    found: Array = np.linalg.lstsq(design * scale[:, None], true * scale, rcond=None)[0]
    return found


def fitted(rows: Sequence[Row]) -> dict[Sharing, Fit]:
    """Fit all coefficients."""
    return {name: Fit(fit(rows, name, validated=True), fit(rows, name, validated=False)) for name in SHARING}


def widened(rows: Sequence[Row], *, moved: bool) -> dict[Sharing, Fit]:
    """Fit the variances alone, and with ``moved`` the constants: slopes as they ship for accuracy."""
    given = FITTED["accuracy"]
    return {
        name: Fit(*(_widened(rows, name, own, moved) for own in (given[name].validated, given[name].unvalidated)))
        for name in SHARING
    }


def _widened(rows: Sequence[Row], family: Sharing, own: Coefficients, moved: bool) -> Coefficients:
    said = _design(rows, family) @ np.array([own.constant, own.a, own.q, own.v])
    left = np.array([gain(row, family) for row in rows]) - said
    off = float(left.mean()) if moved else 0.0
    spread, noise, few = _likeliest(_parts(rows, family), lambda _variance: left - off).tolist()
    return replace(own, constant=own.constant + off, spread=spread, noise=noise, few=few)


def left_out(
    rows: Sequence[Row], fitting: Callable[[Sequence[Row]], Mapping[Sharing, Fit]] = fitted
) -> dict[str, Mapping[Sharing, Fit]]:
    """Return for each data set the coefficients fitted without it and its kin."""
    names = {row["data"] for row in rows}
    without = {key: fitting([row for row in rows if kin(row["data"]) != key]) for key in {kin(name) for name in names}}
    return {name: without[kin(name)] for name in names}


def foretold(row: Row, coefficients: Mapping[Sharing, Fit], *, validated: bool) -> dict[str, Any]:
    """Predict by other coefficients; as in the row's own prediction."""
    signals = {
        name: Signals(**{**row["signals"][name], **({} if validated else {"v": float("nan")})}) for name in SHARING
    }
    found = predict(signals, coefficients=coefficients)
    return {"family": found.family, "gains": {name: vars(one) for name, one in found.gains.items()}}
