"""8-bit integers on real pictures: accuracy within one point of float32's."""

import os
from pathlib import Path

import pytest

from headstart.export import export_arm
from headstart.study.study import Study

pytest.importorskip("onnx")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not {"HEADSTART_DATA", "HEADSTART_WEIGHTS"} <= set(os.environ),
        reason="HEADSTART_DATA and HEADSTART_WEIGHTS name no folders of real pictures and weights",
    ),
]

STUDY = """
name = "integers"
seeds = [0]
[data]
source       = "$HEADSTART_DATA/images/{file}"
max_examples = 3000
partition    = {{ method = "iid", num_clients = 4 }}
central      = {{ fraction = 0.2 }}
{more}
[training]
batch_size = 16
momentum   = 0.9
[decision]
baseline = "ridge"
metric   = "accuracy"
[arms.ridge]
start    = {start}
federate = "ridge"
adapt    = "personal_ridge"
"""
SMALL = ('[model]\nbackbone = "small-cnn"', '{ method = "pretrain", epochs = 10, client_lr = 0.02 }')
MOBILE = ('image_size = 96\n[model]\nbackbone = "$HEADSTART_WEIGHTS/mobilenet_v2_imagenet"', '"pretrained"')
SETS = {
    "fashion_mnist_half_test": SMALL,
    "pneumoniamnist": SMALL,
    "spoken_digits_6speakers": SMALL,
    "cats_dogs_sites": MOBILE,
}


@pytest.mark.parametrize("name", SETS)
def test_accuracy_stays_within_one_point(name: str, tmp_path: Path) -> None:
    more, start = SETS[name]
    (tmp_path / "study.toml").write_text(STUDY.format(file=f"{name}.parquet", more=more, start=start))
    Study.load(tmp_path / "study.toml").run(tmp_path / "run")
    done = export_arm(tmp_path / "run", "ridge", tmp_path / "bundle", study=tmp_path / "study.toml")
    plain, integers = done.networks
    print(f"{name}: {plain.accuracy:.4f} -> {integers.accuracy:.4f} on {done.examples} examples")
    assert plain.difference < 1e-4
    assert abs(integers.change) <= 0.01
