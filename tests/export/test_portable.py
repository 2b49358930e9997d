"""Weights by the names of a module that plain PyTorch builds."""

from pathlib import Path

import pytest
import torch
from torch import nn

from headstart.core.errors import ModelError
from headstart.export.portable import portable
from tiny_exports import SCRATCH, leave, pictures, table


@pytest.mark.parametrize(
    ("backbone", "names"), [("small-cnn", ["0", "3", "7"]), ("mlp", ["1", "3"]), ("linear", ["1"])]
)
def test_a_built_in_network_is_layers_of_pytorch_in_a_row(backbone: str, names: list[str], tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(1, 8, 8), backbone, SCRATCH)
    found = portable(own)
    assert list(found.tensors) == [f"{name}.{kind}" for name in names for kind in ("weight", "bias")]
    assert torch.equal(found.tensors[f"{names[-1]}.weight"], own.weights["head.weight"])
    assert found.code.build.count("nn.Linear") == (2 if backbone == "mlp" else 1)


def _own(tmp_path: Path) -> tuple[object, dict[str, str]]:
    own = leave(tmp_path, table(), "mlp", SCRATCH)
    names = {"blocks.0.0.weight": "body.weight", "blocks.0.0.bias": "body.bias"}
    return own, names | {"head.weight": "fc.weight", "head.bias": "fc.bias"}


class Mine(nn.Module):
    """A user's network; its head is of other classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Linear(3, 64), nn.Linear(64, 10)


def test_a_users_own_module_gets_its_own_names(tmp_path: Path) -> None:
    own, names = _own(tmp_path)
    own.network.names = names
    found, mine = portable(own), Mine()
    assert not found.code.build
    mine.fc = nn.Linear(64, 2)
    mine.load_state_dict(dict(found.tensors), strict=True)
    assert torch.equal(mine.fc.weight, own.weights["head.weight"])


def test_a_bias_that_the_own_head_has_not_is_no_secret(tmp_path: Path) -> None:
    own, names = _own(tmp_path)
    own.network.names = {name: value for name, value in names.items() if name != "head.bias"}
    with pytest.raises(ModelError, match=r"head of .* has a bias now"):
        portable(own)


def test_layers_that_no_row_holds_are_refused(tmp_path: Path) -> None:
    own = leave(tmp_path, table(), "mlp", SCRATCH)
    own.network.blocks[0] = nn.Sequential(nn.Bilinear(3, 3, 2))
    with pytest.raises(ModelError, match=r"received Bilinear; give --format onnx"):
        portable(own)
