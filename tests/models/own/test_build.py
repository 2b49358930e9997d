from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import own_networks as networks
from headstart.core.errors import ModelError
from headstart.core.trees import Params
from headstart.models import ModelSpec
from headstart.models.network import Network
from headstart.models.own import given, remarks_on
from headstart.models.registry import build
from tiny_texts import save_encoder


def built(
    module: nn.Module, shape: tuple[int, ...], *, seed: int = 0, from_scratch: bool = False, **said: Any
) -> tuple[Network, Params]:
    own = given(module)
    spec = ModelSpec(backbone=own.name, **said)
    return build(spec, shape=shape, num_classes=2, from_scratch=from_scratch, seed=seed, own=own)


def test_code_that_nobody_gave_is_never_run() -> None:
    with pytest.raises(ModelError, match="'os:getcwd' is code, which runs for a study of the user's own"):
        build(ModelSpec(backbone="os:getcwd"), shape=(3,), num_classes=2, from_scratch=True, seed=0)


def test_the_users_module_stays_as_it_was() -> None:
    module = networks.ResNet().train()
    module.conv1.requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    built(module, (3, 32, 32), batch_norm="group")
    assert module.training
    assert not module.conv1.weight.requires_grad
    assert module.relu.inplace
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_random_weights_are_keyed_by_the_seed() -> None:
    one, again, other = (built(networks.SmallCnn(), (1, 28, 28), from_scratch=True, seed=seed)[1] for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["blocks.0.module.conv1.weight"], other["blocks.0.module.conv1.weight"])


def test_a_name_is_of_the_function_and_not_of_its_weights() -> None:
    torch.manual_seed(0)
    names = [built(networks.ResNet(), (3, 32, 32), from_scratch=scratch)[0].name for scratch in (False, True)]
    assert names[0] == names[1] == built(networks.ResNet(7), (3, 32, 32))[0].name
    others = [
        built(networks.ResNet(), (3, 32, 32), batch_norm="group")[0].name,
        built(networks.ResNet(), (3, 32, 32), cuts=("layer3",))[0].name,
        built(networks.ResNet(), (3, 32, 32), mean=(0.0,))[0].name,
        built(networks.ResNet(width=4), (3, 32, 32))[0].name,
    ]
    assert len({names[0], *others}) == 5


class Scaled(nn.Module):
    """Two of these differ by a number that no structure shows."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale, self.body, self.fc = scale, nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(x) * self.scale)


def test_numbers_that_no_structure_shows_are_in_the_name() -> None:
    assert built(Scaled(1.0), (3,))[0].name != built(Scaled(2.0), (3,))[0].name
    assert built(Scaled(1.0), (3,))[0].name == built(Scaled(1.0), (3,))[0].name


def test_batch_norms_keep_their_statistics_or_are_group_norms() -> None:
    module = networks.ResNet()
    with torch.no_grad():
        module.bn1.running_mean.fill_(3.0)
        module.bn1.weight.fill_(2.0)
    frozen, weights = built(module, (3, 32, 32))
    assert weights["blocks.0.module.bn1.running_mean"].unique().tolist() == [3.0]
    assert "blocks.0.module.bn1.weight" in frozen.weight_names
    _, grouped = built(module, (3, 32, 32), batch_norm="group")
    assert not [name for name in grouped if "running" in name]
    assert grouped["blocks.0.module.bn1.weight"].unique().tolist() == [2.0], "its scale stays"


def test_a_network_of_texts(tmp_path: Path) -> None:
    import transformers

    folder = str(save_encoder(tmp_path))
    encoder = transformers.AutoModel.from_pretrained(folder)
    said = {"tokenizer": folder}
    tokens = torch.tensor([[2, 5, 6, 3, -1, -1], [2, 9, 11, 8, 7, 3]], dtype=torch.int32)
    for module in (networks.Encoded(encoder), networks.TextTransformer()):
        network, weights = built(module, (), **said)
        network.load_state_dict(weights, strict=False)
        both, alone = network(tokens), network(tokens[:1, :4])
        assert torch.allclose(both[:1], alone, atol=1e-5)
    with pytest.raises(ModelError, match=r"model.max_tokens: .* fails on a text of 32 tokens"):
        built(networks.TextTransformer(longest=20), (), **said)
    built(networks.TextTransformer(longest=20), (), max_tokens=20, **said)
    with pytest.raises(ModelError, match=r"its embedding must hold every token of model.tokenizer"):
        built(networks.TextTransformer(vocabulary=7), (), **said)


class Drops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Linear(3, 64), nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(functional.dropout(self.body(x)))


class Averages(nn.Module):
    """Reads tokens, and averages over padding too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc = nn.Embedding(19, 8), nn.Linear(8, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc(self.embed(tokens).mean(1))


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    module[1].weight = module[0].weight
    return module


def by_batch() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Drops(), "must give the same at every call, received other scores"),
        (tied(), "each weight must have one name, and '0.weight' and '1.weight'"),
        (by_batch(), "an example's features must not change with the others of a batch"),
    ],
    ids=["drops", "tied", "by-batch"],
)
def test_what_would_be_wrong_in_silence_is_refused(module: nn.Module, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        built(module, (3,))


def test_features_that_change_with_padding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="have forward take an attention_mask for texts"):
        built(Averages(), (), tokenizer=str(save_encoder(tmp_path)))


def test_statistics_of_a_batch_go_with_group_norms() -> None:
    assert built(by_batch(), (3,), batch_norm="group")[0].num_features == 4


def test_what_is_to_be_known_is_said() -> None:
    own = given(networks.ViT(10))
    remarks = "\n".join(remarks_on(own, ModelSpec(backbone=own.name), (3, 32, 32), 2))
    assert "5 blocks and a new head in the place of 'head', which had 10 outputs" in remarks
    assert "pixels in [0, 1], less model.mean = 0.485, 0.456, 0.406" in remarks
    assert (
        "arms that start at random keep 2 weights, which no reset_parameters draws anew: cls_token, pos_embed"
        in remarks
    )
    own = given(networks.SmallCnn())
    remarks = "\n".join(remarks_on(own, ModelSpec(backbone=own.name), (1, 28, 28), 2))
    assert "softmax" in remarks
    assert "counts as untrained" in remarks


def test_a_file_of_weights_fills_trained_starts_alone(tmp_path: Path) -> None:
    ones = {name: torch.ones_like(value) for name, value in networks.Perceptron().state_dict().items()}
    ones["out.weight"], ones["out.bias"] = torch.ones(1000, ones["out.weight"].shape[1]), torch.ones(1000)
    file = tmp_path / "x.pth"
    torch.save(ones, file)
    _, trained = built(networks.Perceptron(), (5,), weights=str(file))
    _, random = built(networks.Perceptron(), (5,), weights=str(file), from_scratch=True)
    assert trained["blocks.0.module.layers.0.weight"].unique().tolist() == [1.0]
    assert random["blocks.0.module.layers.0.weight"].abs().max() < 1
    own = given(networks.Perceptron())
    remarks = remarks_on(own, ModelSpec(backbone=own.name, weights=str(file)), (5,), 2)
    assert any("'out'" in remark and "1,000" in remark for remark in remarks), remarks
