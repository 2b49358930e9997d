"""Folders that Transformers' own classes load, with the study's predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.core.errors import ModelError
from headstart.export.hugging_face import write_classifier
from tiny_exports import SCRATCH, leave, pictures, save_checkpoint, texts
from tiny_texts import save_encoder

transformers = pytest.importorskip("transformers")

WHOLE = ("resnet", "regnet", "mobilenet_v1", "mobilenet_v2", "vit", "deit", "convnext")
"""Families whose own classifier is a linear head on the study's features."""


@pytest.mark.parametrize("kind", WHOLE)
def test_transformers_own_classifier_predicts_as_the_study_does(kind: str, tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 32, 32), save_checkpoint(tmp_path / "saved", kind))
    how, compared = write_classifier(own, tmp_path)
    assert (how.loads, how.whole) == ("AutoModelForImageClassification", True)
    assert compared.difference < 1e-5
    model = transformers.AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    scores = model(own.network.prepare(own.inputs)).logits
    np.testing.assert_allclose(scores.softmax(-1).detach(), own.expected, atol=1e-5)
    assert model.config.id2label == dict(enumerate(own.task.outputs))


def test_a_family_whose_classifier_reads_more_leaves_as_backbone_and_head(tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 32, 32), save_checkpoint(tmp_path / "saved", "dinov2"))
    how, compared = write_classifier(own, tmp_path)
    assert (how.loads, how.whole) == ("AutoModel", False)
    assert compared.difference < 1e-5
    assert (tmp_path / "head.safetensors").is_file()


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_a_mean_over_tokens_leaves_as_backbone_and_head(kind: str, tmp_path: Path) -> None:
    own = leave(tmp_path, texts(), str(save_encoder(tmp_path / "saved", kind)))
    how, compared = write_classifier(own, tmp_path)
    assert (how.loads, how.whole) == ("AutoModel", False)
    assert compared.difference < 1e-5


def test_positions_are_fitted_to_pictures_of_another_size(tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 48, 40), save_checkpoint(tmp_path / "saved", "vit"))
    how, compared = write_classifier(own, tmp_path)
    assert how.extra == (("interpolate_pos_encoding", True),)
    assert compared.difference < 1e-5


def test_an_image_processor_makes_the_very_numbers(tmp_path: Path) -> None:
    from PIL import Image

    own = leave(tmp_path, pictures(3, 32, 32), save_checkpoint(tmp_path / "saved", "resnet"))
    write_classifier(own, tmp_path)
    reader = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    picture = Image.fromarray(own.examples.inputs[5].transpose(1, 2, 0))
    found = reader([picture], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(
        found, own.network.prepare(torch.from_numpy(own.examples.inputs[5:6])), atol=1e-6, rtol=0
    )


def test_an_image_processor_repeats_grey(tmp_path: Path) -> None:
    from PIL import Image

    own = leave(tmp_path, pictures(1, 32, 32), save_checkpoint(tmp_path / "saved", "resnet"))
    write_classifier(own, tmp_path)
    reader = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    found = reader([Image.fromarray(own.examples.inputs[5][0])], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(
        found, own.network.prepare(torch.from_numpy(own.examples.inputs[5:6])), atol=1e-6, rtol=0
    )
    assert json.loads((tmp_path / "preprocessor_config.json").read_text())["do_convert_rgb"] is True


def test_normalisation_by_groups_is_none_of_transformers(tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 32, 32), "resnet-18", SCRATCH)
    with pytest.raises(ModelError, match="received 'resnet-18' trained from scratch, which is normalised by groups"):
        write_classifier(own, tmp_path)
    with pytest.raises(ModelError, match="needs a network of Transformers, received 'small-cnn'"):
        write_classifier(leave(tmp_path, pictures(1, 8, 8), "small-cnn", SCRATCH), tmp_path)
