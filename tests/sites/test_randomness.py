"""Noise of the system: Gaussian, of the size asked for, and never the same twice."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from headstart.sites.randomness import SystemChance, system_noise


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_gaussian_of_its_deviation_shape_and_type(dtype: torch.dtype) -> None:
    found = system_noise(torch.zeros(200, 500, dtype=dtype), 3.0)
    assert (found.shape, found.dtype) == ((200, 500), dtype)
    # One of a thousand honest draws would fail.
    assert kstest(found.flatten().numpy() / 3.0, "norm").pvalue > 1e-3


def test_it_is_another_every_time_and_nothing_of_no_deviation() -> None:
    like = torch.zeros(1000)
    first, second = system_noise(like, 1.0), system_noise(like, 1.0)
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.2
    assert torch.equal(system_noise(like, 0.0), like)
    assert system_noise(torch.zeros(()), 1.0).shape == ()


def test_a_seed_of_its_own_generator_would_be_found() -> None:
    """Why it is not PyTorch's: seeds that differ beyond 32 bits give the same numbers."""
    draws = [torch.randn(3, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5 + 2**32)]
    assert torch.equal(*draws)


def test_who_is_in_a_step_follows_from_no_key() -> None:
    one, other = SystemChance((0, "round", 1)), SystemChance((0, "round", 1))
    draws = one.uniforms(20_000)
    assert kstest(draws, "uniform").pvalue > 1e-3
    assert abs(float(np.corrcoef(draws, other.uniforms(20_000))[0, 1])) < 0.05
    assert kstest(one.normals(20_000, torch.float64).numpy(), "norm").pvalue > 1e-3
    assert not torch.equal(one.normals(5, torch.float32), other.normals(5, torch.float32))
