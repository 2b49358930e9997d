"""What goes in and what comes out, as JSON."""

from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.core.errors import ModelError
from headstart.core.task import Task
from headstart.export.meaning import labels_of, preprocessing_of
from tiny_exports import SCRATCH, leave, pictures, save_checkpoint, table, texts
from tiny_texts import save_encoder


@pytest.mark.parametrize("backbone", ["small-cnn", "mlp"])
def test_a_picture_becomes_what_the_network_reads(backbone: str, tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 8, 8), backbone, SCRATCH)
    said = preprocessing_of(own)
    mean, std = (np.array(said[name]).reshape(3, 1, 1) for name in ("mean", "std"))
    found = (own.inputs.numpy() * said["rescale"] - mean) / std
    np.testing.assert_allclose(found.ravel(), own.network.prepare(own.inputs).ravel(), atol=1e-6)
    assert (said["channels"], said["height"], said["width"], said["background"]) == (3, 8, 8, [255, 255, 255])


def test_grey_pictures_have_as_many_means_as_the_network_has_channels(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    own = leave(tmp_path, pictures(1, 32, 32), save_checkpoint(tmp_path / "saved", "resnet"))
    said = preprocessing_of(own)
    assert (said["channels"], len(said["mean"]), len(said["std"])) == (1, 3, 3)


def test_a_preparation_that_cannot_be_said_is_refused(tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 8, 8), "small-cnn", SCRATCH)
    own.network.prepare = torch.sqrt
    with pytest.raises(ModelError, match="pictures must be prepared by a scale, a mean and a deviation"):
        preprocessing_of(own)


def test_columns_say_how_they_are_filled_and_scaled_or_that_each_client_has_its_way(tmp_path: Path) -> None:
    columns = preprocessing_of(leave(tmp_path, table(), "mlp", SCRATCH))["columns"]
    assert [column["name"] for column in columns] == ["a", "b", "c"]
    assert 15 < columns[1]["mean"] == columns[1]["fill"] < 25
    own = preprocessing_of(leave(tmp_path, table(standardize="client"), "mlp", SCRATCH))
    assert own["columns"] == [{"name": name} for name in "abc"]
    assert own["scaling"].startswith("each client by its own examples")
    plain = preprocessing_of(leave(tmp_path, table(standardize="none"), "mlp", SCRATCH))["columns"]
    assert [(column["mean"], column["std"]) for column in plain] == [(0, 1)] * 3


def test_texts_say_how_many_tokens_are_read_and_how_they_are_pooled(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    said = preprocessing_of(leave(tmp_path, texts(), str(save_encoder(tmp_path / "saved"))))
    assert said == {"kind": "text", "max_tokens": 32, "max_characters": 512, "pooling": "mean"}


def test_several_labels_are_each_on_their_own() -> None:
    said = labels_of(Task(kind="multilabel", outputs=("cough", "fever")))
    assert said["prediction"] == "the probability of each label, on its own"
    assert "centers" not in said
