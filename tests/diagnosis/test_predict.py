from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.diagnosis.predict import Coefficients, Fit, predict
from headstart.diagnosis.signals import Signals

NAN = math.nan
share = st.floats(-1, 1)


@given(a=share, q=share, v=share, se=st.floats(0, 0.5))
def test_gains_follow_the_fitted_coefficients(a: float, q: float, v: float, se: float) -> None:
    found = predict({"federate": Signals(a, q, v, se), "both": Signals(a, q, NAN, se)}).gains
    assert found["federate"].mean == pytest.approx(0.020 + 0.279 * a + 0.356 * q + 0.231 * v)
    assert found["both"].mean == pytest.approx(0.014 + 0.374 * a + 0.379 * q)
    deviation = math.sqrt(0.00118 + 0.20 * se**2)
    assert found["federate"].high - found["federate"].low == pytest.approx(2 * 1.6449 * deviation, rel=1e-4)
    for one in found.values():
        assert one.low <= one.mean <= one.high
        assert 0 <= one.probability <= 1
        assert (one.probability > 0.5) == (one.mean > 0.02) or one.probability == pytest.approx(0.5)


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


def test_a_noisier_lead_gives_a_wider_interval() -> None:
    narrow, wide = (predict({"both": Signals(0.1, 0.1, 0.1, se)}).gains["both"] for se in (0.0, 0.2))
    assert wide.high - wide.low > narrow.high - narrow.low
    assert wide.mean == narrow.mean
