"""From how far ahead shared heads are to what sharing should gain, fitted on small federations with known outcome."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from scipy import special

from headstart.diagnosis.signals import Sharing, Signals
from headstart.evidence.sides import FAMILIES, Family

_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Coefficients:
    """How a family's gain over fine-tuning follows from its signals.

    ``gain = constant + a a + q q + v v``, with the variance ``spread + noise se² + few alone``.
    """

    constant: float
    a: float
    q: float
    v: float
    spread: float
    noise: float
    few: float = 0.0


@dataclass(frozen=True)
class Fit:
    """The coefficients of one family, with and without validation data."""

    validated: Coefficients
    unvalidated: Coefficients


FITTED: Mapping[str, Mapping[Sharing, Fit]] = {
    "accuracy": {
        "federate": Fit(
            Coefficients(0.020, 0.279, 0.356, 0.231, 0.00043, 0.13, 0.064),
            Coefficients(0.027, 0.362, 0.471, 0.0, 0.00077, 0.12, 0.043),
        ),
        "both": Fit(
            Coefficients(0.009, 0.296, 0.282, 0.228, 0.00014, 0.84, 0.107),
            Coefficients(0.014, 0.374, 0.379, 0.0, 0.00028, 0.84, 0.108),
        ),
    },
    "balanced_accuracy": {
        "federate": Fit(
            Coefficients(0.028, 0.279, 0.356, 0.231, 0.00144, 1.01, 0.084),
            Coefficients(0.020, 0.362, 0.471, 0.0, 0.00146, 1.16, 0.055),
        ),
        "both": Fit(
            Coefficients(-0.001, 0.296, 0.282, 0.228, 0.00051, 0.41, 0.275),
            Coefficients(-0.005, 0.374, 0.379, 0.0, 0.00062, 0.48, 0.242),
        ),
    },
}
"""By metric. Slopes, and the constants in accuracy, were fitted on federations made of 14 public data sets whose arms
were trained; variances, and the constants in balanced accuracy, on those of the atlas; see ``docs/atlas.md``."""


@dataclass(frozen=True)
class Gain:
    """What a family should gain over fine-tuning alone, in (balanced) accuracy.

    Attributes:
        mean: the expectation.
        low: lower end of its 90 % interval.
        high: upper end.
        probability: that the gain is above what matters, in [0, 1].
    """

    mean: float
    low: float
    high: float
    probability: float


@dataclass(frozen=True)
class Prediction:
    """Which family should be best.

    Attributes:
        family: the one of the largest gain, where fine-tuning's is 0; None where none is allowed.
        gains: over fine-tuning, of the families that share.
        signals: that each gain rests on.
        metric: ``accuracy`` or ``balanced_accuracy``, whichever is nearest to the decision's.
        min_effect: that ``probability`` speaks of.
        reasons: plain sentences with what else the features say.
    """

    family: Family | None
    gains: Mapping[Sharing, Gain]
    signals: Mapping[Sharing, Signals]
    metric: str
    min_effect: float
    reasons: tuple[str, ...] = field(default=())


def predict(
    signals: Mapping[Sharing, Signals],
    *,
    metric: str = "accuracy",
    min_effect: float = 0.02,
    families: Collection[Family] = FAMILIES,
    coefficients: Mapping[Sharing, Fit] | None = None,
) -> Prediction:
    """Predict the family that should be best.

    Args:
        signals: of the families that share.
        metric: that they are in.
        min_effect: the smallest gain that matters.
        families: that may win, such as those that no device rules out.
        coefficients: other than those fitted in the metric.

    >>> ahead = Signals(a=0.08, q=0.05, v=0.06, se=0.02, alone=0.01)
    >>> found = predict({"federate": ahead, "both": ahead})
    >>> found.family, round(found.gains["federate"].mean, 3), round(found.gains["federate"].probability, 2)
    ('federate', 0.074, 0.95)
    """
    fits = FITTED[metric] if coefficients is None else coefficients
    gains = {family: _gain(own, fits[family], min_effect) for family, own in signals.items()}
    means: dict[Family, float] = {"fine-tune": 0.0, **{family: found.mean for family, found in gains.items()}}
    allowed = [family for family in FAMILIES if family in families and family in means]
    best = max(allowed, key=lambda family: means[family], default=None)
    return Prediction(best, gains, dict(signals), metric, min_effect)


def _gain(signals: Signals, fit: Fit, min_effect: float) -> Gain:
    """Return what a family should gain over fine-tuning.

    Args:
        signals: of the family; without validation data ``v`` is NaN.
        fit: its coefficients.
        min_effect: the smallest gain that matters.
    """
    used = fit.validated if math.isfinite(signals.v) else fit.unvalidated
    mean = used.constant + used.a * signals.a + used.q * signals.q + (used.v * signals.v if used.v else 0.0)
    deviation = math.sqrt(used.spread + used.noise * signals.se**2 + used.few * signals.alone)
    half = float(special.ndtri((1 + _CONFIDENCE) / 2)) * deviation
    return Gain(mean, mean - half, mean + half, float(special.ndtr((mean - min_effect) / deviation)))
