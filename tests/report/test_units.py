import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.report.units import MINUS, MISSING, Metric, duration, number, operations, share, size


@given(st.floats(min_value=1, max_value=1e17))
def test_a_size_reads_back_within_five_percent(value: float) -> None:
    text, unit = size(value).split("\N{NO-BREAK SPACE}")
    factor = 1000.0 ** ("B", "kB", "MB", "GB", "TB", "PB").index(unit)
    assert float(text) * factor == pytest.approx(value, rel=0.5 if value < 2 else 0.05, abs=0.5)


@pytest.mark.parametrize("write", [size, operations, share, duration, number, Metric("accuracy").value])
@pytest.mark.parametrize("missing", [None, math.nan, math.inf, "many", True])
def test_what_was_not_measured_is_a_dash(write, missing) -> None:
    assert write(missing) == MISSING


def test_differences_carry_their_sign_and_unit() -> None:
    metric = Metric("accuracy")
    assert metric.change(-0.0213) == f"{MINUS}2.1\N{NO-BREAK SPACE}pp"
    assert metric.change(0.00001) == "0.0\N{NO-BREAK SPACE}pp"
    assert Metric("log_loss").change(-0.05) == f"{MINUS}0.050\N{NO-BREAK SPACE}nats"
    assert metric.between(None, 0.1) == MISSING


@pytest.mark.parametrize(("name", "sign"), [("macro_f1", 1), ("log_loss", -1), ("calibration_error", -1)])
def test_which_way_is_better(name: str, sign: int) -> None:
    assert Metric(name).sign == sign
