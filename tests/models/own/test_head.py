from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import own_networks as networks
from headstart.core.errors import ModelError
from headstart.models import ModelSpec
from headstart.models.own.head import Head, find_head, logits_of
from headstart.models.own.inputs import reads


def head_of(module: nn.Module, shape: tuple[int, ...], named: str | None = None) -> Head:
    return find_head(reads(module.eval(), ModelSpec(backbone="x:y"), shape), named, "x:y")


@pytest.mark.parametrize(
    ("module", "shape", "name"),
    [
        (networks.ResNet(), (3, 32, 32), "fc"),
        (networks.DenseNet(), (3, 32, 32), "classifier"),
        (networks.ViT(), (3, 32, 32), "head"),
        (networks.SmallCnn(), (1, 28, 28), "fc2"),
        (nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Dropout(), nn.Linear(4, 2))), (3,), "1.1"),
    ],
)
def test_the_head_is_the_linear_layer_that_makes_the_output(
    module: nn.Module, shape: tuple[int, ...], name: str
) -> None:
    found = head_of(module, shape)
    assert found.name == f"module.{name}"
    assert found.layer is module.get_submodule(name)


def test_a_softmax_after_the_head_is_left_out_and_that_is_said() -> None:
    assert "softmax or sigmoid after 'fc2' is left out" in head_of(networks.SmallCnn(), (1, 28, 28)).said
    assert head_of(networks.ResNet(), (3, 32, 32)).said == ""


class Ends(nn.Module):
    """Ends otherwise than a classifier does."""

    def __init__(self, end: Any) -> None:
        super().__init__()
        self.body, self.out, self.end = nn.Linear(3, 4), nn.Linear(4, 2), end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.out(self.body(x).relu()))


@pytest.mark.parametrize(
    "end",
    [
        lambda x: (x, x.sum()),
        lambda x: {"logits": x, "loss": 0.0},
        lambda x: SimpleNamespace(logits=x),
        lambda x: [x],
        lambda x: x.flatten(),
    ],
)
def test_scores_are_found_in_what_a_module_gives(end: Any) -> None:
    assert head_of(Ends(end), (3,)).name == "module.out"


def test_what_changes_the_heads_output_is_refused_or_named() -> None:
    with pytest.raises(ModelError, match=r"must make the output, and 'x:y' changes .*\(shape \(2,\), from \(2, 2\)\)"):
        head_of(Ends(lambda x: x[:, 0]), (3,))
    with pytest.raises(ModelError, match="no tensor of scores"):
        head_of(Ends(lambda x: 3), (3,))
    assert "does after its head 'out' is left out" in head_of(Ends(lambda x: 2 * x), (3,), "out").said


def test_what_a_head_cannot_be() -> None:
    with pytest.raises(ModelError, match=r"model.head: .* received 'fc'; it has body, out"):
        head_of(Ends(lambda x: x), (3,), "fc")
    with pytest.raises(ModelError, match="received a module that calls none"):
        head_of(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten()), (3, 1, 1))
    with pytest.raises(ModelError, match=r"once, on one feature vector .* reads \(2, 3, 8, 8\)"):
        head_of(nn.Linear(8, 2), (3, 8, 8))


def test_a_module_that_fails_on_such_inputs_is_named_with_the_way_out() -> None:
    with pytest.raises(ModelError, match=r"'x:y' fails on inputs of shape \(1, 20, 20\).*set data.image_size"):
        head_of(networks.SmallCnn(), (1, 20, 20))
    with pytest.raises(ModelError, match=r"fails on inputs of shape \(4,\).*its first layer must read all columns"):
        head_of(networks.Perceptron(5), (4,))


def test_logits() -> None:
    scores = torch.zeros(1, 2)
    assert logits_of({"other": 1}) is None
    assert logits_of(()) is None
    assert logits_of((scores, 1)) is scores
