from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from headstart.costs.counting import Flops


def _attend() -> None:
    query = torch.randn(2, 4, 8, 16, requires_grad=True)
    functional.scaled_dot_product_attention(query, query, query).sum().backward()


def _convolve() -> None:
    layer = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.Flatten(), torch.nn.LazyLinear(2)
    )
    layer(torch.randn(4, 3, 8, 8)).sum().backward()


@pytest.mark.parametrize("work", [_attend, _convolve, lambda: torch.einsum("bij,bjk->bik", *2 * [torch.ones(3, 4, 4)])])
def test_the_count_is_pytorchs_own(work):
    with FlopCounterMode(display=False) as expected:
        work()
    with Flops() as found:
        work()
    assert found.total == expected.get_total_flops()


def test_the_compiler_is_not_imported():
    program = (
        "import sys, torch\nfrom headstart.costs.compute import count_flops\n"
        "count_flops(lambda: torch.ones(2, 3) @ torch.ones(3, 5))\nassert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
