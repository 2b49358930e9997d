"""From a finished study to a bundle, and from the bundle to the simulation's own head on a device."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.errors import ModelError, SettingError
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.export import export_arm
from headstart.export.finished import open_finished
from headstart.study.study import Study

pytest.importorskip("onnx")
headstart_edge: Any = pytest.importorskip("headstart_edge")

STUDY = """
name = "tiny"
seeds = [0, 1]
[data]
source       = "digits"
max_examples = 300
partition    = { method = "iid", num_clients = 3 }
central      = { source = "glyphs", max_examples = 200 }
[model]
backbone = "small-cnn"
[training]
batch_size = 8
[decision]
baseline = "probe"
metric   = "accuracy"
[engine]
way = "loop"
[arms.probe]
start = { method = "pretrain", epochs = 2, client_lr = 0.05 }
adapt = { method = "linear_probe", epochs = 4, client_lr = 0.05, momentum = 0.9 }
[arms.ridge]
start    = { method = "pretrain", epochs = 2, client_lr = 0.05 }
federate = "ridge"
adapt    = "personal_ridge"
[arms.smooth]
start = { method = "pretrain", epochs = 2, client_lr = 0.05 }
adapt = { method = "linear_probe", epochs = 1, label_smoothing = 0.1 }
[arms.deep]
start = { method = "pretrain", epochs = 2, client_lr = 0.05 }
adapt = { method = "full_finetune", epochs = 1 }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.toml").write_text(STUDY)
    Study.load(folder / "tiny.toml").run(folder / "run")
    return folder / "run"


@pytest.mark.parametrize("arm", ["probe", "ridge"])
def test_a_device_comes_to_the_simulations_head(run: Path, arm: str, tmp_path: Path) -> None:
    done = export_arm(run, arm, tmp_path / "bundle", integers=False)
    assert done.networks[0].difference < 1e-4
    assert done.networks[0].change == 0
    finished = open_finished(run, arm)
    assert done.seed == finished.seed
    client = finished.pipeline.federation.clients[1]
    examples = finished.lab.federation.examples
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "inputs.npy", examples.inputs[client.train])
    np.save(tmp_path / "data" / "labels.npy", examples.labels[client.train])
    bundle = headstart_edge.open_bundle(tmp_path / "bundle")
    shape = dict(zip(("channels", "height", "width"), examples.shape, strict=True))
    assert bundle.settings["input"] == {"kind": "image", **shape, "background": [255, 255, 255], "range": None}
    data = headstart_edge.open_data(tmp_path / "data", bundle)
    found = headstart_edge.finetune(bundle, data, client=client.id, hold_back=0).head
    own = OneClient(finished.lab.activations, client.id, client.train, keyed_order, (0, "adapt"))
    right = finished.arm.adapt.build()(finished.model, finished.head, own)
    np.testing.assert_allclose(found["head.weight"], right["head.weight"].numpy(), atol=1e-4)
    np.testing.assert_allclose(found["head.bias"], right["head.bias"].numpy(), atol=1e-4)


def test_integers_keep_the_accuracy_or_are_not_used(run: Path, tmp_path: Path) -> None:
    done = export_arm(run, "ridge", tmp_path / "kept", limit=1.0)
    assert (done.backbone, len(done.networks)) == ("backbone-int8.onnx", 2)
    refused = export_arm(run, "ridge", tmp_path / "refused", limit=-1.0)
    assert refused.backbone == "backbone.onnx"
    bundle = headstart_edge.open_bundle(tmp_path / "kept")
    assert bundle.backbone == "backbone-int8.onnx"
    features = headstart_edge.features.open_backbone(bundle)(np.zeros((2, 1, 8, 8), np.uint8))
    assert features.shape == (2, bundle.settings["num_features"])


def test_a_signed_bundle_opens_with_its_key_alone(run: Path, tmp_path: Path) -> None:
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives import serialization

    key = ed25519.Ed25519PrivateKey.generate()
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*plain))
    done = export_arm(run, "probe", tmp_path / "bundle", integers=False, sign=tmp_path / "key.pem")
    assert done.public_key is not None
    assert headstart_edge.open_bundle(tmp_path / "bundle", bytes.fromhex(done.public_key)).labels
    with pytest.raises(headstart_edge.EdgeError, match="received another signature"):
        headstart_edge.open_bundle(tmp_path / "bundle", bytes(32))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown arm": ({"arm": "prob"}, r"must be a finished arm of .* received 'prob'; did you mean 'probe'"),
    "unknown seed": ({"arm": "probe", "seed": 9}, r"received 9; valid: \[0, 1\]"),
    "too deep": ({"arm": "deep"}, r"a device fine-tunes the head alone .* received 'deep' with 'full_finetune'"),
    "no key": ({"arm": "probe", "sign": Path("nowhere.pem")}, r"sign: must be a file of an Ed25519 private key"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(
    run: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        export_arm(run, out=tmp_path / "bundle", **options)
    assert list(tmp_path.iterdir()) == []


def test_an_arm_of_a_study_of_texts_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("text,label,site\nfine,0,a\n")
    lines = [
        'name = "notes"',
        'data = { source = "notes.csv", text = "text", client = "site" }',
        'model = { backbone = "minilm" }',
        'decision = { baseline = "probe", metric = "accuracy" }',
        'arms.probe = { start = "pretrained", adapt = "linear_probe" }',
    ]
    (tmp_path / "study.toml").write_text("\n".join(lines))
    with pytest.raises(SettingError, match=r"data\.text: a device reads pictures or numbers.*'text'"):
        open_finished(tmp_path, "probe")


def test_options_that_no_device_has_are_refused(run: Path) -> None:
    with pytest.raises(SettingError, match=r"arm: a device trains without label_smoothing, received 'smooth'.* = 0\.1"):
        open_finished(run, "smooth")


def test_a_folder_in_use_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SettingError, match="out: must be a new or an empty folder"):
        export_arm(run, "probe", tmp_path)


def test_an_export_that_fails_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(path: Path) -> Any:
        return lambda inputs: np.ones((len(inputs), 128), np.float32)

    monkeypatch.setattr("headstart.export.onnx_files.open_network", wrong)
    with pytest.raises(ModelError, match="ONNX Runtime must give the study's features"):
        export_arm(run, "probe", tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_lists_every_file(run: Path, tmp_path: Path) -> None:
    export_arm(run, "probe", tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    there = {path.name for path in (tmp_path / "bundle").iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == there
    assert torch.tensor(manifest["files"]["head.safetensors"]["bytes"]) > 0
