"""How large an update may be: beside the cohort's, the rounds before, and the weights."""

from collections.abc import Sequence

import pytest
import torch

from headstart.sites.norms import Norms
from headstart.sites.transport import Answer, Failed

SHARED = {"w": torch.ones(16)}
"""Of norm 4, as is a 1 for each: an update of norm 80 is the largest that is taken at all."""


def _rounds(*rounds: Sequence[float]) -> list[list[str]]:
    """Return why each site's update is left out in each round; empty where it is used."""
    norms, found = Norms(), []
    for each in rounds:
        came: list[Answer[None] | Failed] = [
            Answer(at, None, {"w": torch.full((16,), norm / 4)}) for at, norm in enumerate(each)
        ]
        found.append([one.reason if isinstance(one, Failed) else "" for one in norms.check(came, SHARED)])
    return found


def test_of_three_the_median_says_what_is_usual() -> None:
    ((first, second, third),) = _rounds([1, 2, 21])
    assert (first, second) == ("", "")
    assert third == "its update's norm is 10 times the cohort's median, more than 10"


def test_of_two_the_rounds_before_say_it() -> None:
    *_, (first, second) = _rounds([1, 1.2], [0.8, 0.9], [0.5, 15])
    assert first == ""
    assert second == "its update's norm is 15 times the median of the rounds before, more than 10"


def test_a_giant_does_not_change_what_is_usual() -> None:
    found = _rounds([1, 1], *([[1, 60]] * 9))
    assert all(second for _, second in found[1:])


@pytest.mark.parametrize("others", [[], [70]])
def test_no_update_exceeds_all_weights_by_far_even_in_the_first_round(others: list[float]) -> None:
    ((*_, last),) = _rounds([*others, 1e6])
    assert "times the shared weights and 1 for each" in last
    ((*_, last),) = _rounds([*others, 70])
    assert last == ""


def test_where_all_are_giants_the_steps_are_too_large_and_nobody_lies() -> None:
    assert _rounds([1e6, 1e7]) == [["", ""]]
    assert _rounds([1, 1], [90, 1000]) == [["", ""]] * 2


def test_updates_that_shrink_or_vary_are_used() -> None:
    assert not any(reason for each in _rounds([9, 3], [5, 1], [0.1, 0.02], [0.3, 1]) for reason in each)


def test_updates_of_zero_are_nothing_to_go_by() -> None:
    assert _rounds([0, 0], [0, 3], [1, 1]) == [["", ""]] * 3
