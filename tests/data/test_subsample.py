import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.subsample import stratified


@given(st.lists(st.integers(0, 4), max_size=60), st.floats(0, 1), st.integers(0, 999))
def test_every_class_keeps_its_share_to_one_example(labels, share, seed):
    labels = np.array(labels, dtype=np.int64)
    count = round(len(labels) * share)
    drawn = stratified(labels, count, np.random.default_rng(seed))
    assert len(drawn) == len(set(drawn.tolist())) == count
    assert (np.diff(drawn) > 0).all()
    expected = count * np.bincount(labels, minlength=5) / max(len(labels), 1)
    assert (np.abs(np.bincount(labels[drawn], minlength=5) - expected) < 1).all()


def test_every_position_has_the_same_chance():
    labels = np.array([0] * 7 + [1] * 2 + [2])
    draws = [stratified(labels, 4, np.random.default_rng(seed)) for seed in range(3000)]
    frequency = np.bincount(np.concatenate(draws), minlength=10) / 3000
    assert np.abs(frequency - 0.4).max() < 0.04
