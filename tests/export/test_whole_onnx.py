"""A whole network as one file, from what a user has to predictions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.export.leaving import Leaving
from headstart.export.whole_onnx import write_onnx
from tiny_exports import SCRATCH, leave, opened, pictures, save_checkpoint, table, texts
from tiny_texts import save_encoder

onnxruntime: Any = pytest.importorskip("onnxruntime")


def _run(folder: Path, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, inputs)[0]
    return found


def test_texts_of_any_length_are_read(tmp_path: Path) -> None:
    own = leave(tmp_path, texts(), str(save_encoder(tmp_path / "saved")))
    assert write_onnx(own, tmp_path).difference < 1e-5
    short = {"input_ids": np.array([[2, 6, 3]]), "attention_mask": np.ones((1, 3), dtype=np.int64)}
    padded = {"input_ids": np.array([[2, 6, 3, 0, 0]]), "attention_mask": np.array([[1, 1, 1, 0, 0]])}
    np.testing.assert_allclose(_run(tmp_path, **short), _run(tmp_path, **padded), atol=1e-6)


def test_an_empty_cell_is_filled_as_the_study_fills_it(tmp_path: Path) -> None:
    federation = table()
    own = leave(tmp_path, federation, "mlp", SCRATCH)
    write_onnx(own, tmp_path)
    row = np.array([[1.0, 20.0, -3.0]], dtype=np.float32)
    row[0, 1] = federation.scalings["north"].fill[1]
    hole = row.copy()
    hole[0, 1] = np.nan
    np.testing.assert_allclose(_run(tmp_path, columns=row), _run(tmp_path, columns=hole), atol=1e-6)


def test_a_regression_says_numbers_in_the_targets_unit(tmp_path: Path) -> None:
    ages = 50 + 10 * np.random.default_rng(1).normal(size=40)
    run = opened(tmp_path, table(labels=ages, task="regression"), "mlp", SCRATCH)
    network, weights = run.study.lab.build(0, from_scratch=True)
    own = Leaving(opened=run, network=network, weights=weights, from_scratch=True)
    assert write_onnx(own, tmp_path).difference < 1e-3
    assert 20 < _run(tmp_path, columns=np.array([[1.0, 20.0, -3.0]], dtype=np.float32)).item() < 80


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_bytes_of_pictures_are_read(kind: str, tmp_path: Path) -> None:
    own = leave(tmp_path, pictures(3, 32, 32), save_checkpoint(tmp_path / "saved", kind))
    assert write_onnx(own, tmp_path).difference < 1e-5
    found = _run(tmp_path, pixels=own.inputs.numpy())
    np.testing.assert_allclose(found, own.expected, atol=1e-5)
