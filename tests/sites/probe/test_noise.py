"""Noise is as large as one example's influence says, and never the same twice."""

import pytest
import torch

from headstart.sites.probe.noise import add_noise, clip_rows, epsilon

ZEROS = {"gram": torch.zeros(200, 200, dtype=torch.float64)}


@pytest.mark.parametrize(("noise", "bound"), [(1.0, 2.0), (0.5, 10.0)])
def test_noise_has_the_size_that_it_says(noise: float, bound: float) -> None:
    size = float(add_noise(ZEROS, noise, bound)["gram"].std())
    assert size == pytest.approx(noise * (bound**4 + bound**2 + 1) ** 0.5, rel=0.05)


def test_noise_is_drawn_anew() -> None:
    first, second = (add_noise(ZEROS, 1.0, 2.0)["gram"] for _ in range(2))
    assert not torch.equal(first, second)
    assert first.dtype == torch.float64


def test_rows_are_clipped_to_their_bound() -> None:
    rows = clip_rows(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)) * 10, 3.0)
    assert float((rows.square().sum(1) + 1).sqrt().max()) <= 3.0 + 1e-5


def test_more_noise_promises_more() -> None:
    assert epsilon(2.0) < epsilon(1.0) < epsilon(0.0)
