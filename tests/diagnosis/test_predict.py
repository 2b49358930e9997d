from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.diagnosis.predict import FITTED, Coefficients, Fit, predict
from headstart.diagnosis.signals import Signals

NAN = math.nan
share = st.floats(-1, 1)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
@given(a=share, q=share, v=share, se=st.floats(0, 0.5), alone=st.floats(0, 0.3))
def test_gains_follow_the_coefficients_of_their_metric(
    metric: str, a: float, q: float, v: float, se: float, alone: float
) -> None:
    signals = {"federate": Signals(a, q, v, se, alone), "both": Signals(a, q, NAN, se, alone)}
    found, fits = predict(signals, metric=metric).gains, FITTED[metric]
    used = {"federate": fits["federate"].validated, "both": fits["both"].unvalidated}
    for family, one in found.items():
        own = used[family]
        assert one.mean == pytest.approx(own.constant + own.a * a + own.q * q + own.v * v)
        deviation = math.sqrt(own.spread + own.noise * se**2 + own.few * alone)
        assert one.high - one.low == pytest.approx(2 * 1.6449 * deviation, rel=1e-4)
        assert one.low <= one.mean <= one.high
        assert 0 <= one.probability <= 1
        assert (one.probability > 0.5) == (one.mean > 0.02) or one.probability == pytest.approx(0.5)


def test_all_leads_speak_for_sharing_in_either_metric() -> None:
    used = [one for fits in FITTED.values() for fit in fits.values() for one in (fit.validated, fit.unvalidated)]
    assert len(used) == 8
    assert all(min(one.a, one.q, one.spread, one.noise, one.few) >= 0 and one.v >= 0 for one in used)
    assert all(not fit.unvalidated.v for fits in FITTED.values() for fit in fits.values())


@pytest.mark.parametrize(
    ("federate", "both", "families", "expected"),
    [
        (0.2, 0.1, {"fine-tune", "federate", "both"}, "federate"),
        (0.1, 0.2, {"fine-tune", "federate", "both"}, "both"),
        (-0.3, -0.2, {"fine-tune", "federate", "both"}, "fine-tune"),
        (0.2, 0.1, {"fine-tune", "both"}, "both"),
        (-0.3, -0.2, {"federate", "both"}, "both"),
        (0.2, 0.2, {"fine-tune"}, "fine-tune"),
        (0.2, 0.2, set(), None),
    ],
)
def test_the_largest_gain_of_the_families_allowed_is_predicted(
    federate: float, both: float, families: Any, expected: str | None
) -> None:
    signals = {"federate": Signals(federate, federate, NAN, 0.01), "both": Signals(both, both, NAN, 0.01)}
    assert predict(signals, families=families).family == expected


def test_coefficients_fitted_elsewhere_may_be_given() -> None:
    own = Coefficients(0.5, 0, 0, 0, 0.01, 0)
    found = predict({"both": Signals(0, 0, NAN, 0)}, coefficients={"both": Fit(own, own)}, min_effect=0.5)
    assert (found.gains["both"].mean, found.gains["both"].probability) == (0.5, 0.5)


@pytest.mark.parametrize("few", [(0.2, 0.0), (0.0, 0.04)])
def test_a_noisier_lead_gives_a_wider_interval(few: tuple[float, float]) -> None:
    narrow, wide = (predict({"both": Signals(0.1, 0.1, 0.1, *off)}).gains["both"] for off in ((0.0, 0.0), few))
    assert wide.high - wide.low > narrow.high - narrow.low
    assert wide.mean == narrow.mean
