"""How backbones come apart: blocks that are the whole, and strides that are what the maps shrink by."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from headstart.models.checkpoints.families import FAMILIES, ClassToken, MeanPool, Whole, family_of

transformers = pytest.importorskip("transformers")
PIXELS = 64


@pytest.fixture
def model(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Any:
    name = request.param
    return transformers.AutoModel.from_pretrained(checkpoints[name], **family_of(name).options).eval()


@pytest.mark.parametrize("model", ["resnet", "regnet", "mobilenet_v1", "mobilenet_v2"], indirect=True)
@torch.no_grad()
def test_a_stride_is_what_the_last_map_has_shrunk_by(model: Any) -> None:
    family = family_of(model.config.model_type)
    hidden = torch.zeros(1, 3, PIXELS, PIXELS)
    *blocks, last = family.blocks(model)
    for part in (*blocks, *list(last)[:-1]):
        hidden = part(hidden)
    assert isinstance(last[-1], MeanPool)
    assert hidden.shape[-2:] == (PIXELS // family.stride(model.config),) * 2


@pytest.mark.parametrize("model", ["vit", "deit", "dinov2", "vit_msn"], indirect=True)
def test_a_transformers_stride_is_its_patch_and_its_feature_the_first_token(model: Any) -> None:
    family = family_of(model.config.model_type)
    assert family.stride(model.config) == model.config.patch_size
    assert isinstance(family.blocks(model)[-1][-1], ClassToken)


@pytest.mark.parametrize("model", sorted(FAMILIES), indirect=True)
@torch.no_grad()
def test_no_weight_gets_lost_but_a_poolers(model: Any) -> None:
    """Blocks take all other weights along, each once."""
    parts = nn.ModuleList(family_of(model.config.model_type).blocks(model))
    taken = [id(value) for _, value in parts.named_parameters(remove_duplicate=False)]
    assert len(taken) == len(set(taken))
    left = {name.split(".")[0] for name, value in model.named_parameters() if id(value) not in set(taken)}
    assert left <= {"pooler"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"pooler_output": torch.ones(2, 3, 1, 1)}, torch.ones(2, 3)),
        ({"pooler_output": None, "last_hidden_state": torch.arange(12.0).view(1, 3, 2, 2)}, [[1.5, 5.5, 9.5]]),
        ({"last_hidden_state": torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])}, [[2.0, 3.0]]),
    ],
    ids=["pooled", "map", "tokens"],
)
def test_a_backbone_of_no_known_family_is_one_block(output: dict[str, Any], expected: Any) -> None:
    class Backbone(nn.Module):
        def forward(self, pixel_values: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace(**output)

    (block,) = family_of("unheard-of").blocks(Backbone())
    assert isinstance(block, Whole)
    torch.testing.assert_close(block(torch.zeros(1)), torch.as_tensor(expected))
