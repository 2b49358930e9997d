"""Code that builds a network of Transformers anew, with the names of its weights."""

from pathlib import Path

import pytest
import torch

from headstart.export.checkpoint import backbone_of, config_of, features_of
from headstart.export.portable import portable
from tiny_exports import SCRATCH, leave, pictures, save_checkpoint, texts
from tiny_texts import save_encoder

pytest.importorskip("transformers")

FEATURES = {
    "resnet": "output.pooler_output.flatten(1)",
    "vit": "output.last_hidden_state[:, 0]",
    "convnext": "output.pooler_output.flatten(1)",
}


@pytest.mark.parametrize("kind", FEATURES)
def test_the_way_to_the_studys_features_is_found_by_trying(kind: str, tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 32, 32), save_checkpoint(tmp_path / "saved", kind))
    assert features_of(own, backbone_of(own, config_of(own))) == FEATURES[kind]


def test_every_weight_of_a_checkpoint_has_the_name_that_transformers_gives_it(tmp_path: Path) -> None:
    own = leave(tmp_path, texts(), str(save_encoder(tmp_path / "saved")))
    backbone = backbone_of(own, config_of(own))
    found = portable(own).tensors
    assert {name.removeprefix("backbone.") for name in found} == {*backbone.state_dict(), "head.weight", "head.bias"}
    name = "embeddings.word_embeddings.weight"
    assert torch.equal(found[f"backbone.{name}"], backbone.state_dict()[name])


def test_normalisation_by_groups_is_part_of_the_code(tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 32, 32), "resnet-18", SCRATCH)
    code = portable(own).code
    assert "use_groups(self.backbone)" in code.build
    assert "import math" in code.imports
