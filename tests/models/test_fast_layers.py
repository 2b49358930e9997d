"""Faster layers compute the same, forwards and backwards."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from headstart.models.fast_layers import ChannelsLastPool, TapConvolution, taps_outermost, with_fast_layers
from headstart.models.layout import channels_last
from headstart.models.network import Network


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_gradients(module: nn.Module, hidden: torch.Tensor) -> list[torch.Tensor]:
    """Return what a module makes, and the gradients of its input and weights."""
    leaf = hidden.clone().requires_grad_()
    made = module(leaf)
    return [made, *torch.autograd.grad((made * draw(9, *made.shape)).sum(), [leaf, *module.parameters()])]


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 4)], ids=str)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("outermost", [False, True], ids=["as stored", "taps outermost"])
def test_a_convolution_by_taps_is_a_convolution(size: tuple[int, int], bias: bool, outermost: bool) -> None:
    plain = nn.Conv2d(3, 4, 3, padding=1, bias=bias).double()
    expected = with_gradients(plain, draw(1, 5, 3, *size))
    if outermost:
        plain.weight.data = taps_outermost(plain.weight.data)
    torch.testing.assert_close(with_gradients(TapConvolution(plain), draw(1, 5, 3, *size)), expected)


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_pooling_channels_last_is_pooling(last: bool) -> None:
    hidden = channels_last(draw(1, 5, 3, 6, 6)) if last else draw(1, 5, 3, 6, 6)
    pool = nn.MaxPool2d(2)
    found = ChannelsLastPool(pool)(hidden)
    assert torch.equal(found, pool(hidden))
    assert found.is_contiguous() != last, "the result lies as its input does"


@pytest.fixture
def network() -> Network:
    """Maps of 8, 4 and 2 pixels a side: only the last convolution sees a tiny one."""
    blocks = [nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.MaxPool2d(2)) for _ in range(2)]
    last = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1), nn.Flatten())
    return Network([*blocks, last], num_features=8, num_classes=3, prepare=lambda x: x, name="three")


def test_only_convolutions_of_tiny_maps_are_replaced(network: Network) -> None:
    inputs = draw(1, 4, 2, 8, 8).float()
    fast, wanted = with_fast_layers(network, inputs, 0)
    assert wanted == {"blocks.2.0.weight"}, "one of 1 x 1 pixels has no taps"
    assert [type(module).__name__ for module in fast.blocks[0]] == ["Conv2d", "ChannelsLastPool"]
    assert [type(module).__name__ for module in network.blocks[2]] == ["Conv2d", "Conv2d", "Flatten"]
    weights = dict(network.state_dict())
    torch.testing.assert_close(functional_call(fast, weights, (inputs,)), network(inputs))


def test_products_per_tap_are_taken_in_bfloat16_too() -> None:
    convolution, hidden = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 2, 2, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        found, expected = TapConvolution(convolution)(hidden.bfloat16()), convolution(hidden)
    torch.testing.assert_close(found.float(), expected.float(), atol=0.05, rtol=0.05)
    found.float().sum().backward()
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.dtype == torch.float32
