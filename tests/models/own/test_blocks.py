"""Blocks in a row do what the user's module does, whatever its forward does between its children."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

import own_networks as networks
from headstart.core.errors import ModelError
from headstart.models import ModelSpec
from headstart.models.own.blocks import blocks_of, run_blocks
from headstart.models.own.head import find_head
from headstart.models.own.inputs import INSIDE, reads

Shape = tuple[int, ...]

CASES: dict[str, tuple[Callable[[], nn.Module], Shape, list[str]]] = {
    "resnet": (networks.ResNet, (3, 32, 32), ["conv1", "layer1", "layer2", "layer3", "layer4"]),
    "cnn": (networks.SmallCnn, (1, 28, 28), ["conv1", "conv2", "fc1"]),
    "densenet": (
        networks.DenseNet,
        (3, 32, 32),
        [f"features.{name}" for name in ("conv0", "denseblock1", "transition1", "denseblock2", "transition2")]
        + ["features.denseblock3"],
    ),
    "vit": (networks.ViT, (3, 32, 32), ["", *(f"blocks.{place}" for place in range(4))]),
    "perceptron": (networks.Perceptron, (5,), ["layers.0", "layers.3"]),
    "sequential": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 4), nn.Linear(4, 3)),
        (3, 2, 2),
        ["1", "3"],
    ),
}


def cut(module: nn.Module, shape: Shape, cuts: tuple[str, ...] = (), head: str | None = None) -> list[nn.Module]:
    how = reads(module.eval(), ModelSpec(backbone="x:y"), shape)
    return blocks_of(how, find_head(how, head, "x:y"), cuts, "x:y")


def firsts(blocks: list[nn.Module]) -> list[str]:
    """Name the first module with weights in each block."""
    names = []
    for block in blocks:
        name, _ = next((name, part) for name, part in block.named_modules() if list(part.parameters(recurse=False)))
        names.append(name.removeprefix(INSIDE))
    return names


@pytest.mark.parametrize("name", CASES)
def test_blocks_in_a_row_are_the_module(name: str) -> None:
    build, shape, _ = CASES[name]
    torch.manual_seed(0)
    module = build()
    how = reads(module.eval(), ModelSpec(backbone="x:y"), shape)
    head = find_head(how, None, "x:y")
    blocks = blocks_of(how, head, (), "x:y")
    for rows in (1, 5):
        inputs = (
            torch.randint(0, 256, (rows, *shape), dtype=torch.uint8) if len(shape) == 3 else torch.randn(rows, *shape)
        )
        logits = head.layer(run_blocks(blocks, how.prepare(inputs)))
        own = module(how.prepare(inputs))
        expected = own if name != "cnn" else own - own.logsumexp(1, keepdim=True)
        found = logits if name != "cnn" else logits.log_softmax(1)
        assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_where_blocks_begin(name: str) -> None:
    build, shape, begins = CASES[name]
    blocks = cut(build(), shape)
    assert len(blocks) == len(begins)
    assert all(found.startswith(begin) for found, begin in zip(firsts(blocks), begins, strict=True))


def test_a_user_says_where_to_cut() -> None:
    blocks = cut(networks.ResNet(), (3, 32, 32), ("layer2", "layer4.1"))
    assert [name.split(".")[0] for name in firsts(blocks)] == ["conv1", "layer2", "layer4"]
    assert firsts(blocks)[2] == "layer4.1.conv1"


def test_a_cut_must_be_a_module_before_which_one_tensor_goes_on() -> None:
    with pytest.raises(ModelError, match=r"model.cuts: .* received 'layer9'; such are layer1, layer2"):
        cut(networks.ResNet(), (3, 32, 32), ("layer1", "layer9"))
    with pytest.raises(ModelError, match=r"model.cuts: .* received 'two'; such are again"):
        cut(Skips(), (4,), ("two",))
    with pytest.raises(ModelError, match=r"model.cuts: no weight may be used on both sides of a cut"):
        cut(Twice(), (4,), ("two",))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.fc = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.one(self.two(self.one(x))))


def test_what_cannot_be_written_down_is_one_block() -> None:
    (whole,) = cut(networks.Bound(), (3, 16, 16))
    assert not isinstance(whole, fx.GraphModule)
    assert "fc" not in " ".join(dict(whole.named_parameters()))
    with pytest.raises(ModelError, match=r"model.cuts: .* cannot be written down .* received \['conv'\]"):
        cut(networks.Bound(), (3, 16, 16), ("conv",))


class Changes(nn.Module):
    """Its second layer changes what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.fc = nn.Linear(4, 4), AddsInPlace(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.two(self.one(x)))


class AddsInPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x += 1
        return self.layer(x)


def test_no_block_changes_what_it_reads() -> None:
    _, block = cut(Changes(), (4,))
    hidden = torch.randn(2, 4)
    before = hidden.clone()
    block(hidden)
    assert torch.equal(hidden, before)


class Skips(nn.Module):
    """Its input goes around its first layer, and one layer is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.again, self.fc = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.two(self.one(x)) + x
        hidden = self.again(hidden)
        return self.fc(self.again(hidden.relu()))


def test_no_cut_parts_a_sum_or_two_uses_of_a_layer() -> None:
    blocks = cut(Skips(), (4,))
    assert firsts(blocks) == ["one", "again"]


class Views(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.fc(x.view(x.size(0), -1))


def test_a_view_works_where_pixels_lie_otherwise() -> None:
    (block,) = cut(Views(), (3, 8, 8))
    pixels = torch.randn(2, 3, 8, 8)
    other = block.to(memory_format=torch.channels_last)(pixels.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(other, block(pixels), atol=1e-6)
