"""Snippets: Python that runs in the folder."""

import ast
from pathlib import Path

import pytest

from headstart.export.hugging_face import Classifier
from headstart.export.loading import loads_by_code, loads_by_own_module, loads_onnx, loads_transformers
from tiny_exports import SCRATCH, leave, pictures, table


def test_a_table_has_its_columns_and_a_picture_its_file(tmp_path: Path) -> None:
    columns = loads_by_code(leave(tmp_path, table(), "mlp", SCRATCH))
    assert "prepare([[0.0] * 3])" in columns.snippet
    assert columns.needs == ("torch", "numpy")
    files = loads_onnx(leave(tmp_path, pictures(1, 8, 8), "small-cnn", SCRATCH))
    assert 'Image.open("picture.png").convert("L"), (8, 8)' in files.snippet
    assert files.needs == ("onnxruntime", "numpy", "pillow")


def test_an_own_modules_head_is_made_for_the_studys_classes(tmp_path: Path) -> None:
    own = leave(tmp_path, table(), "mlp", SCRATCH)
    own.network.names = {"head.weight": "classifier.1.weight", "head.bias": "classifier.1.bias"}
    found = loads_by_own_module(own).snippet
    assert "model.classifier[1] = torch.nn.Linear(64, 2)  # this study's head" in found
    own.network.names = {"head.weight": "fc.weight"}
    assert "model.fc = torch.nn.Linear(64, 2, bias=False)" in loads_by_own_module(own).snippet


@pytest.mark.parametrize("whole", [True, False])
def test_a_checkpoint_is_loaded_by_transformers(tmp_path: Path, *, whole: bool) -> None:
    own = leave(tmp_path, pictures(3, 32, 32), "resnet-18", SCRATCH)
    extra = (("interpolate_pos_encoding", True),)
    how = Classifier("AutoModel", whole=whole, extra=extra, features=lambda call: [f"features = {call}.pooled"])
    found = loads_transformers(own, how)
    ast.parse(found.snippet)
    assert "model(**inputs, interpolate_pos_encoding=True)" in found.snippet
    assert ("head.safetensors" in found.snippet) == (not whole)
    assert ("another function" in found.words) == (not whole)


def test_who_reads_scaled_columns_is_told(tmp_path: Path) -> None:
    own = leave(tmp_path, table(standardize="client"), "mlp", SCRATCH)
    assert loads_onnx(own).words == "It reads columns that are scaled already, as preprocessing.json says."
