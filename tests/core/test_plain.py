from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from headstart.core.plain import finite, plain


@pytest.mark.parametrize(
    ("x", "number"),
    [
        (2, 2.0),
        (-0.5, -0.5),
        (np.float32(0.25), 0.25),
        (np.int64(3), 3.0),
        (None, None),
        (math.nan, None),
        (-math.inf, None),
        (np.float64("nan"), None),
        (True, None),
        ("1", None),
    ],
)
def test_finite_is_a_plain_number_or_nothing(x: Any, number: float | None) -> None:
    found = finite(x)
    assert found == number
    assert type(found) is type(number)


def test_plain_values_are_what_json_gives_back() -> None:
    value = {"a": (1, 2.5, None), 7: [{"b": math.nan}, "text", True], "c": {}}
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)
    assert plain(value) == {"a": [1, 2.5, None], "7": [{"b": None}, "text", True], "c": {}}
