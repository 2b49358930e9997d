from __future__ import annotations

import pytest
import torch
from torch import nn

import own_networks as networks
from headstart.models.normalization import BatchNorm
from headstart.models.own.untrained import looks_untrained

NEW = [networks.SmallCnn, networks.ResNet, networks.DenseNet, networks.Perceptron, networks.TextTransformer]


@pytest.mark.parametrize("build", NEW)
@pytest.mark.parametrize("seed", range(5))
def test_new_weights_look_new(build: type[nn.Module], seed: int) -> None:
    torch.manual_seed(seed)
    assert looks_untrained(build())


@pytest.mark.parametrize("build", NEW)
def test_a_few_steps_show(build: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module = build()
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part(torch.randn(4, part.num_features, 2, 2) if isinstance(part, nn.BatchNorm2d) else torch.randn(4, 16))
    with torch.no_grad():
        for value in module.parameters():
            value += 0.3 * torch.randn_like(value)
    assert not looks_untrained(module)


def test_a_module_of_no_known_layer_is_not_called_untrained() -> None:
    assert not looks_untrained(nn.Embedding(3, 2))
