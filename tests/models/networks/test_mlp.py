import pytest
import torch

from headstart.core.errors import ModelError
from headstart.models import ModelSpec, build


def test_each_hidden_layer_is_a_block() -> None:
    spec = ModelSpec(backbone="mlp", hidden=(7, 5))
    network, params = build(spec, shape=(3,), num_classes=2, from_scratch=True, seed=0)
    shapes = {name: tuple(value.shape) for name, value in params.items() if name.endswith("weight")}
    assert shapes == {"blocks.0.0.weight": (7, 3), "blocks.1.0.weight": (5, 7), "head.weight": (2, 5)}
    table = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    hidden = torch.relu(table @ params["blocks.0.0.weight"].T + params["blocks.0.0.bias"])
    torch.testing.assert_close(network(table, 0, 1), hidden)


@pytest.mark.parametrize("hidden", [(), (0,), (8, -1)])
def test_bad_widths(hidden: tuple[int, ...]) -> None:
    spec = ModelSpec(backbone="mlp", hidden=hidden)
    with pytest.raises(ModelError, match=r"hidden: 'mlp' takes .* widths ≥ 1, received \[") as caught:
        build(spec, shape=(3,), num_classes=2, from_scratch=True, seed=0)
    assert str(list(hidden)) in str(caught.value)
