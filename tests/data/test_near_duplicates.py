from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.arrays import Array
from headstart.core.ragged import Ragged
from headstart.data.near_duplicates import near_duplicates


def changed(text: Array, *places: int) -> Array:
    """Return a text with other tokens at some places."""
    text = text.copy()
    text[list(places)] += 1000
    return text


def shared(left: Array, right: Array) -> float:
    """Shared runs of five tokens, of all that either text has."""
    one, other = ({tuple(text[i : i + 5]) for i in range(len(text) - 4)} for text in (left, right))
    return len(one & other) / len(one | other)


TEXT = np.arange(200)


@pytest.mark.parametrize(
    ("other", "is_near"),
    [
        (TEXT, True),
        (changed(TEXT, 0), True),
        (changed(TEXT, 50, 150), True),
        (TEXT[:170], True),
        (changed(TEXT, *range(0, 200, 20)), False),
        (TEXT[:100], False),
        (TEXT + 1000, False),
    ],
)
def test_texts_are_near_that_share_four_fifths_of_their_runs(other: Array, is_near: bool) -> None:
    assert (shared(TEXT, other) >= 0.8) == is_near
    assert near_duplicates(Ragged.of([TEXT, other])).tolist() == [[0, 1]] * is_near


def test_of_a_group_each_is_paired_with_the_first() -> None:
    texts = [TEXT + 500, TEXT, changed(TEXT, 0), TEXT + 2000, TEXT]
    assert near_duplicates(Ragged.of(texts)).tolist() == [[1, 2], [1, 4]]


@pytest.mark.parametrize("length", [0, 1, 4])
def test_texts_shorter_than_a_run_are_left_out(length: int) -> None:
    assert near_duplicates(Ragged.of([TEXT[:length], TEXT[:length]])).shape == (0, 2)


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 3), max_size=30), min_size=1, max_size=8))
def test_every_pair_found_is_near(texts: list[list[int]]) -> None:
    rows = [np.array(text, dtype=np.int64) for text in texts]
    pairs = near_duplicates(Ragged.of(rows)).tolist()
    assert all(left < right and shared(rows[left], rows[right]) >= 0.8 for left, right in pairs)


def test_nearly_all_that_are_near_are_found() -> None:
    generator = np.random.default_rng(0)
    texts = [generator.integers(0, 5000, size=60) for _ in range(200)]
    copies = [changed(text, int(generator.integers(0, 60))) for text in texts]
    wanted = {(i, 200 + i) for i in range(200) if shared(texts[i], copies[i]) >= 0.8}
    found = {(left, right) for left, right in near_duplicates(Ragged.of(texts + copies)).tolist()}
    assert found <= wanted
    assert len(found) >= 0.97 * len(wanted)
