"""Folding BatchNorm changes nothing but the last bits, for every network that has one."""

import pytest
import torch
from torch import nn

from headstart.core.trees import Params
from headstart.engine.features.folding import find_pairs, fold, frozen_part, largest_map, lay_channels_last
from headstart.models.cut import Trainable
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.testing.compare import assert_same
from tiny_networks import Built


class Odd(nn.Module):
    """Convolutions whose BatchNorm cannot be folded: read elsewhere too, used twice, or of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.twice, self.good = (nn.Conv2d(2, 2, 1, bias=False) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(2, affine=i > 0) for i in range(3))
        self.of_batch, self.relu = nn.BatchNorm2d(2, track_running_stats=False), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read_by_two = self.shared(x)
        x = self.norms[0](read_by_two) + self.relu(read_by_two)
        x = self.norms[1](self.twice(self.norms[1](self.twice(x))))
        return self.of_batch(self.norms[2](self.good(x))).flatten(1)


def model_of(*blocks: nn.Module, features: int) -> Model:
    network = Network(list(blocks), num_features=features, num_classes=2, prepare=lambda x: x.float(), name="net")
    weights: Params = {name: value.clone() for name, value in network.state_dict().items()}
    for name, value in weights.items():
        if name.endswith("running_mean"):
            value.uniform_(-1, 1)
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
    return cut_at(network, weights, "head")[0]


def run(part: Network, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = part(inputs, 0, len(part.blocks))
    return result


def check_equal(found: torch.Tensor, right: torch.Tensor) -> None:
    scale = float(right.abs().max())
    tolerance = 1e-10 if right.dtype == torch.float64 else 2e-5
    torch.testing.assert_close(found, right, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("trainable", ["head", 1])
def test_every_network_gives_the_same_folded_and_channels_last(
    built: Built, trainable: Trainable, dtype: torch.dtype
) -> None:
    weights = {n: v.to(dtype) if v.is_floating_point() else v for n, v in built.params.items()}
    model = cut_at(built.network, weights, trainable)[0]
    # Activations at cut 0 are the raw inputs; a part without blocks only prepares them.
    right = model.activations(built.inputs) if model.cut else built.network.prepare(built.inputs)
    part = frozen_part(model)
    assert torch.equal(run(part, built.inputs), right)
    fold(part, find_pairs(part, built.inputs[:1]))
    check_equal(run(part, built.inputs), right)
    check_equal(run(lay_channels_last(part), built.inputs), right)


def test_every_batch_norm_after_a_convolution_is_found(built: Built) -> None:
    model = cut_at(built.network, built.params, "head")[0]
    part = frozen_part(model)
    norms = {name for name, module in part.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert {norm for _, norm in find_pairs(part, built.inputs[:1])} == norms


def test_the_model_and_its_skeleton_stay_as_they_are(built: Built) -> None:
    model = cut_at(built.network, built.params, "head")[0]
    before = {name: value.clone() for name, value in model.frozen.items()}
    strides = {name: value.stride() for name, value in model.frozen.items()}
    modules = [type(module) for module in built.network.modules()]
    part = frozen_part(model)
    lay_channels_last(fold(part, find_pairs(part, built.inputs[:1])))
    assert [type(module) for module in built.network.modules()] == modules
    assert_same("frozen", model.frozen, before)
    assert {name: value.stride() for name, value in model.frozen.items()} == strides
    assert not any(value.requires_grad for value in model.frozen.values())


def test_weights_are_shared_until_they_change(built: Built) -> None:
    model = cut_at(built.network, built.params, "head")[0]
    shared = {value.data_ptr() for value in model.frozen.values()}
    assert {value.data_ptr() for value in frozen_part(model).parameters()} <= shared


def test_what_others_read_or_the_batch_decides_is_not_folded() -> None:
    model = model_of(Odd(), features=18)
    part = frozen_part(model)
    inputs = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert find_pairs(part, inputs) == [("blocks.0.good", "blocks.0.norms.2")]
    check_equal(run(fold(part, find_pairs(part, inputs)), inputs), model.activations(inputs))


def test_a_norm_without_scale_and_a_convolution_with_bias() -> None:
    model = model_of(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3, affine=False), nn.Flatten(), features=12)
    inputs = torch.arange(18.0).view(2, 1, 3, 3)
    part = frozen_part(model)
    pairs = find_pairs(part, inputs)
    assert pairs == [("blocks.0", "blocks.1")]
    check_equal(run(fold(part, pairs), inputs), model.activations(inputs))


def test_the_largest_map_of_one_row() -> None:
    model = model_of(nn.Conv2d(1, 5, 1), nn.MaxPool2d(2), nn.Flatten(), features=20)
    assert largest_map(frozen_part(model), torch.zeros(3, 1, 4, 4)) == 5 * 16 * 4
