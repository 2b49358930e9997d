import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from headstart.models.normalization import num_groups, use_group_norm


@given(st.integers(1, 4096))
def test_groups_divide_the_channels_and_hold_two(channels: int) -> None:
    groups = num_groups(channels)
    assert 1 <= groups <= 32
    assert channels % groups == 0
    assert channels // groups >= 2 or channels == 1


def test_every_batch_norm_is_replaced_however_deep() -> None:
    network = nn.Sequential(nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8, eps=1e-3)))
    use_group_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    replaced = network[1][1]
    assert isinstance(replaced, nn.GroupNorm)
    assert (replaced.num_channels, replaced.eps) == (8, 1e-3)
    assert not list(network.buffers())


def test_one_pixel_survives() -> None:
    network = nn.Sequential(nn.BatchNorm2d(64))
    use_group_norm(network)
    assert network(torch.randn(1, 64, 1, 1)).abs().max() > 0
