"""Noise is as large as one example's influence says, and never the same twice."""

import pytest
import torch

from headstart.core.errors import ClientError
from headstart.sites.probe.noise import add_noise, clip_rows

ZEROS = {"gram": torch.zeros(200, 200, dtype=torch.float64)}


@pytest.mark.parametrize(("noise", "bound"), [(1.0, 2.0), (0.5, 10.0)])
def test_noise_has_the_size_that_it_says(noise: float, bound: float) -> None:
    sums = {f"{part}/{name}": ZEROS["gram"] for part in ("train", "val") for name in ("gram", "moment", "counts")}
    for found in add_noise(sums, noise, bound).values():
        assert float(found.std()) == pytest.approx(noise * (bound**4 + bound**2 + 1) ** 0.5, rel=0.05)


def test_sums_that_an_example_changes_less_have_less_noise() -> None:
    means = add_noise({"sums": ZEROS["gram"], "counts": ZEROS["gram"]}, 1.0, 10.0)
    assert float(means["sums"].std()) == pytest.approx(101**0.5, rel=0.05)


def test_noise_on_sums_of_which_nobody_knows_how_large_it_must_be_is_refused() -> None:
    with pytest.raises(ClientError, match="no bound on what one example adds to the sum 'cubes', so it stays here"):
        add_noise({"cubes": ZEROS["gram"]}, 1.0, 2.0)


def test_noise_is_drawn_anew() -> None:
    first, second = (add_noise(ZEROS, 1.0, 2.0)["gram"] for _ in range(2))
    assert not torch.equal(first, second)
    assert first.dtype == torch.float64


def test_rows_are_clipped_to_their_bound() -> None:
    rows = clip_rows(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)) * 10, 3.0)
    assert float((rows.square().sum(1) + 1).sqrt().max()) <= 3.0 + 1e-5
