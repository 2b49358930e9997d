from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.evidence.contrast import contrast
from headstart.evidence.power import Design, needed, smallest_effect, ways_out
from headstart.evidence.sides import example_units
from known_outcomes import outcomes

DESIGN = Design((100,) * 10, seeds=3, families=3, confidence=0.95, scope="these")


@pytest.mark.parametrize(
    ("effect", "seeds", "total"),
    [
        (0.02, 3, 1461),
        (0.02, 5, 884),
        (0.02, 10, 703),
        (0.05, 3, 168),
        (0.05, 5, 128),
        (0.05, 10, 110),
        (0.01, 5, 7087),
    ],
)
def test_test_examples_that_a_difference_takes(effect, seeds, total):
    # Worked out by hand for ten clients.
    few, enough = (
        replace(DESIGN, counts=tuple([count // 10] * 10), seeds=seeds) for count in (0.9 * total, 1.1 * total)
    )
    few = replace(few, counts=tuple(int(count) for count in few.counts))
    enough = replace(enough, counts=tuple(math.ceil(count) for count in enough.counts))
    assert smallest_effect(enough) < effect * 1.02
    assert smallest_effect(few) > effect * 0.98


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(5, 500), min_size=3, max_size=20), st.integers(3, 10), st.booleans())
def test_more_of_anything_never_hurts(counts, seeds, these):
    design = Design(tuple(counts), seeds, 3, 0.95, "these" if these else "like these")
    # Where clients are few, more seeds cost a little of the approximate degrees of freedom.
    least = 1.05 * smallest_effect(design)
    assert smallest_effect(replace(design, seeds=seeds + 1)) < least
    assert smallest_effect(replace(design, counts=tuple(2 * count for count in counts))) < least
    assert smallest_effect(replace(design, families=2)) < least


@pytest.mark.parametrize(
    "changes", [{"seeds": 2}, {"counts": ()}, {"counts": (1, 1, 1)}, {"counts": (50, 50), "scope": "like these"}]
)
def test_where_nothing_can_be_claimed(changes):
    assert smallest_effect(replace(DESIGN, **changes)) == math.inf


def test_ways_out_are_just_enough():
    found = ways_out(DESIGN, 0.02)
    assert found.seeds is not None
    assert found.examples is not None
    assert smallest_effect(replace(DESIGN, seeds=3 + found.seeds)) <= 0.02
    assert smallest_effect(replace(DESIGN, seeds=2 + found.seeds)) > 0.02
    each = math.ceil(100 + found.examples / 10)
    assert smallest_effect(replace(DESIGN, counts=(each,) * 10)) <= 0.02


def test_what_no_number_of_examples_buys_is_not_offered():
    assert ways_out(DESIGN, 0.009).examples is None
    assert ways_out(replace(DESIGN, scope="like these"), 0.02).clients is not None


def test_what_a_study_lacks_is_about_what_more_of_it_needs():
    def found(examples: int, seeds: int):
        units = example_units(outcomes({"a": 0.8, "b": 0.8}, examples=examples, seeds=seeds), "accuracy")
        return contrast(units.paired(units.values["a"], units.values["b"]), "these", floor=True)

    small = replace(found(100, 5), gap=0.0)
    lacking = needed([small], 0.02, 0.05)
    assert lacking.examples is not None
    large = found(100 + math.ceil(lacking.examples / 4), 5)
    # It reckons with as few degrees of freedom as now: safe, and more than is needed.
    assert 0.01 < large.quantile(0.05) * large.se < 0.023


def test_a_gap_beyond_what_matters_needs_nothing_more():
    units = example_units(outcomes({"a": 0.9, "b": 0.6}), "accuracy")
    gap = contrast(units.paired(units.values["a"], units.values["b"]), "these", floor=True)
    assert needed([gap], 0.02, 0.05) == needed([], 0.02, 0.05)


def test_a_client_of_one_test_example_is_no_infinite_number():
    found = smallest_effect(replace(DESIGN, counts=(60, 40, 1)))
    assert 0.1 < found < 1
