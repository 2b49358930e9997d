import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from headstart.core import seeds

Keys = tuple[seeds.Key, ...]
KEYS = st.lists(st.integers(-(2**40), 2**40) | st.text(max_size=8), max_size=4).map(tuple)


@given(KEYS)
def test_a_seed_fits_63_bits_and_repeats(keys: Keys) -> None:
    assert 0 <= seeds.derive(*keys) < 2**63
    assert seeds.derive(*keys) == seeds.derive(*keys)


@given(KEYS, KEYS)
def test_different_keys_give_different_seeds(left: tuple[seeds.Key, ...], right: tuple[seeds.Key, ...]) -> None:
    assert (seeds.derive(*left) == seeds.derive(*right)) == (left == right)


def test_a_number_and_its_name_are_different_keys() -> None:
    assert seeds.derive(1) != seeds.derive("1")
    assert seeds.derive(1, 2) != seeds.derive(12)


def test_the_numbers_stay_the_same_over_versions() -> None:
    assert seeds.derive(0, "batches", 3, "clinic") == 4024229045891756141


def test_generators_repeat_and_leave_global_state_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (seeds.torch_generator(0, name) for name in ("a", "a", "b"))
    drawn = torch.rand(3, generator=first)
    assert torch.equal(drawn, torch.rand(3, generator=again))
    assert not torch.equal(drawn, torch.rand(3, generator=other))
    assert torch.equal(torch.random.get_rng_state(), state)
    left, right = seeds.numpy_generator(0, "a").random(3), seeds.numpy_generator(0, "a").random(3)
    np.testing.assert_array_equal(left, right)


def test_mixed_integers_are_all_different_and_spread_evenly() -> None:
    mixed = seeds.mix(np.arange(100_000, dtype=np.uint64) * seeds.GOLDEN)
    assert len(np.unique(mixed)) == 100_000
    shares = seeds.uniform(mixed)
    assert 0 <= shares.min() <= shares.max() < 1
    np.testing.assert_allclose(np.bincount((10 * shares).astype(int)) / 100_000, 0.1, atol=0.005)
