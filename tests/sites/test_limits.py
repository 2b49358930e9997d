"""Scores lie within what the metric can be."""

import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from headstart.evidence.metrics import MEASURES, range_of
from headstart.sites.said import Evaluated
from sites.answered import SAID

EVALUATED: Evaluated = SAID["adapt"]


@pytest.mark.parametrize("metric", MEASURES)
def test_each_metric_is_taken_within_its_range_alone(metric: str) -> None:
    low, high = range_of(metric)
    for value in (max(low, -1e6), min(high, 1e6)):
        assert replace(EVALUATED, metrics={"test": {metric: (value,)}}, pooled={"val": {metric: value, "f1": None}})
    beyond = [value for value in (low - 0.01, high + 0.01, 1e12, -1e12) if not low <= value <= high]
    for value in (*beyond, math.nan, math.inf, -math.inf):
        for said in ({"metrics": {"test": {metric: (value,)}}}, {"pooled": {"test": {metric: value}}}):
            with pytest.raises(ValidationError):
                replace(EVALUATED, **said)


@pytest.mark.parametrize(
    "said",
    [
        {"metrics": {"train": {"accuracy": (0.5,)}}},
        {"metrics": {"test": {"fame": (0.5,)}}},
        {"metrics": {"test": {"accuracy": (0.5, 0.5)}}},
        {"metrics": {"test": {"accuracy": ()}}},
        {"excluded": ({"client": "north"},)},
        {"excluded": ({"client": "north", "round": "0", "reason": "x"},)},
        {"excluded": ({"client": "north", "round": 0, "reason": "x"},) * 2},
        {"span": 0.5},
    ],
)
def test_what_no_site_would_say_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        replace(EVALUATED, **said)
