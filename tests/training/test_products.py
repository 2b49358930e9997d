import pytest
import torch

from headstart.training.products import products

SIZES = [(1, 1, 1), (2, 3, 4), (70, 65, 80)]
"""The last is above what NumPy is asked for."""


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("into", [False, True], ids=["anew", "into room"])
def test_each_product_is_its_own(size: tuple[int, int, int], into: bool) -> None:
    rows, inner, columns = size
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(3, rows, inner, generator=generator, dtype=torch.float64)
    right = torch.randn(3, inner, columns, generator=generator, dtype=torch.float64)
    # Room with the outer axis within: strides of its own.
    room = torch.empty(rows, 3, columns, dtype=torch.float64).transpose(0, 1) if into else None
    found = products(left, right, out=room)
    assert (found is room) == into
    torch.testing.assert_close(found, left @ right)
