"""What a site says is held against what it said first, what was asked and what can be true."""

from dataclasses import replace
from typing import Any

import pytest

from headstart.data.standardize import ColumnSums
from headstart.evidence.tally import Tally
from headstart.sites.claims import (
    believed,
    doubt_agreed,
    doubt_comparison,
    doubt_evaluation,
    doubt_presence,
    doubt_scales,
    plausible,
)
from headstart.sites.said import Agreed, Compared, Evaluated, Present
from headstart.sites.transport import Answer, Failed
from sites.answered import SAID, SIZES, TALLIES

HERE: Present = SAID["hello"]
TABLE = replace(HERE, kind="table", shape=(), columns=("x", "y"))
AGREED: Agreed = SAID["agree"]
EVALUATED: Evaluated = SAID["adapt"]
COMPARED: Compared = SAID["heads"]
SUMS = ColumnSums(4, (4, 2), (1.0, 2.0), (0.5, 0.0))


def test_honest_answers_are_believed() -> None:
    assert doubt_presence(HERE) == doubt_presence(TABLE) == ""
    assert doubt_agreed(AGREED, TABLE, 2) == ""
    assert doubt_evaluation(EVALUATED, HERE, 2) == ""
    assert doubt_comparison(COMPARED, HERE) == ""


def test_what_is_doubted_is_its_sites_failure() -> None:
    came = [Answer(0, 1, {}), Failed(1, "late"), Answer(2, 3, {})]
    found = believed(came, lambda one: "too many" if one.said > 2 else "")
    assert found == [came[0], came[1], Failed(2, "its answer: too many")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"shape": ()}, "'shape'"),
        ({"kind": "table"}, "'shape'"),
        ({"classes": ("a", "a")}, "'a' twice"),
        ({"range": (3.0, 3.0)}, "'range'"),
        ({"kind": "table", "shape": (), "columns": ("x", "y[0]"), "missing": ("y", "z")}, "received 'z'"),
        ({"sizes": {"train": 3}}, "'sizes'"),
        ({"policy": "none"}, "'sizes'"),
    ],
)
def test_a_presence_that_cannot_be(said: dict[str, Any], reason: str) -> None:
    assert reason in doubt_presence(replace(HERE, **said))


@pytest.mark.parametrize(
    ("sizes", "sums", "reason"),
    [
        ({**SIZES, "train": 4}, None, "must be at most the 6 examples that it said it has, received 7"),
        (SIZES, replace(SUMS, rows=5), "must be the 4 examples outside test"),
        (SIZES, replace(SUMS, counts=(4, 2, 1)), "must be of 2 columns"),
        (SIZES, replace(SUMS, counts=(5, 2)), "no more values than rows"),
        (SIZES, replace(SUMS, squares=(0.5, -1.0)), "squares of at least 0"),
        (SIZES, replace(SUMS, counts=(4, 0)), "no total without values"),
        (SIZES, replace(SUMS, counts=(4, 1), squares=(0.5, 1e6)), "a single value no distance"),
        (SIZES, replace(SUMS, totals=(1e300, 0.0)), "numbers up to 3.5e+38"),
        ({}, None, "'sizes'"),
    ],
)
def test_counts_that_change_and_sums_that_no_rows_have(sizes: Any, sums: ColumnSums | None, reason: str) -> None:
    assert reason in doubt_agreed(Agreed(sizes, sums), TABLE, 2)


def test_sums_of_a_site_that_may_send_none_are_refused() -> None:
    silent = replace(TABLE, policy="counts")
    assert "lets none leave" in doubt_agreed(AGREED, silent, 2)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"metrics": {"test": {"num_examples": (9.0,)}}}, "num_examples"),
        ({"excluded": ({"client": "south", "round": 0, "reason": ""},)}, "of 'north' itself"),
        ({"learnt": replace(TALLIES, mixed_rows=9)}, "no more than its 4 examples"),
        ({"learnt": replace(TALLIES, changed=4)}, "no more than its 4 examples"),
        ({"learnt": replace(TALLIES, train=Tally((3, 1), (0, 0), 4, 1.0))}, "at most 3 examples, received 4"),
        ({"learnt": replace(TALLIES, train=Tally((2, 1), (3, 0), 3, 1.0))}, "no more right"),
        ({"learnt": replace(TALLIES, val=Tally((1,), (1,), 1, 1.0))}, "of 2 classes"),
        ({"learnt": replace(TALLIES, val=Tally((1, 0), (1, 0), 1, 99.0))}, "a loss that 1 examples can have"),
        ({"learnt": replace(TALLIES, began=Tally((1, 2), (1, 1), 3, 1.0))}, "of the examples of 'learnt.train'"),
    ],
)
def test_an_evaluation_that_cannot_be(said: dict[str, Any], reason: str) -> None:
    assert reason in doubt_evaluation(replace(EVALUATED, **said), HERE, 2)


def test_scores_of_a_site_that_may_tell_none_are_refused() -> None:
    assert "lets no scores leave" in doubt_evaluation(EVALUATED, replace(HERE, policy="counts"), 2)


def test_a_comparison_on_other_examples_than_announced_is_refused() -> None:
    assert "must be its 1 for validation, received 5" in doubt_comparison(replace(COMPARED, examples=5), HERE)


@pytest.mark.parametrize(
    ("claimed", "weights"),
    [
        ([100, 90, 80, 1_000_000], [100, 90, 80, 90]),
        ([100, 90, 80, 2700], [100, 90, 80, 2700]),  # large, and perhaps true: capped at half in the round
        ([100, 1_000_000], [100, 1_000_000]),  # of two, nobody knows who lies
        ([5], [5]),
        ([], []),
    ],
)
def test_a_claim_ten_times_all_others_is_not_believed(claimed: list[int], weights: list[int]) -> None:
    assert list(plausible(dict(enumerate(claimed))).values()) == weights


def test_a_column_in_quite_another_unit_is_named() -> None:
    sums = {at: replace(SUMS, totals=(scale, 2.0)) for at, scale in enumerate((1.0, 3.0, 2e5, 0.0))}
    found = doubt_scales(sums, ["dose", "age"])
    assert found == {2: "its answer: 'dose' is over 10,000 times as large as at other sites"}
    assert doubt_scales({0: sums[0], 2: sums[2]}, ["dose", "age"]) == {}
