"""From a finished study to a model that plain PyTorch, Transformers and ONNX Runtime load, without Headstart."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from headstart.core.errors import DataError, HeadstartError, ModelError, SettingError
from headstart.engine.features.padding import RaggedTensor
from headstart.export import export_model
from headstart.export.code import network_code
from headstart.export.leaving import Leaving, check_leaves, take_out
from headstart.export.opened import open_run, read_study
from headstart.study.study import Study
from tiny_exports import RIDGE, SCRATCH, table, texts
from tiny_study import CLASSES, study_text, write_table
from tiny_texts import save_encoder

pytest.importorskip("onnxruntime")

LOCAL = """
start = "random"
adapt = { method = "full_finetune", epochs = 2, client_lr = 0.1 }
"""
FEDAVG = """
start = "random"
federate = { method = "fedavg", rounds = 3, client_lr = 0.2 }
"""
ALONE = f"""{FEDAVG}
adapt = {{ method = "full_finetune", epochs = 2, client_lr = 0.1, accept = false }}
"""
KNN = f'{FEDAVG}\nadapt = "knn"\n'
ARMS = {"fedavg": FEDAVG, "alone": ALONE, "local": LOCAL, "knn": KNN}

PICTURES = """
name = "pictures"
seeds = [0]
[data]
source       = "digits"
max_examples = 200
partition    = { method = "iid", num_clients = 3 }
[model]
backbone = "small-cnn"
[tuning]
trials = 1
[decision]
baseline = "ridge"
metric   = "accuracy"
[arms.ridge]
start    = "random"
federate = "ridge"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_table(folder / "clients.csv")
    (folder / "tiny.toml").write_text(study_text(seeds=(0,), arms=ARMS))
    Study.load(folder / "tiny.toml").run(folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "pictures.toml").write_text(PICTURES)
    Study.load(folder / "pictures.toml").run(folder / "run")
    return folder / "run"


def leaving(run: Path, arm: str, client: str | None = None) -> Leaving:
    opened = open_run(run, arm, None, read_study(run, run.parent / _file(run)), check=check_leaves)
    return take_out(opened, client)


def _file(run: Path) -> str:
    return next(run.parent.glob("*.toml")).name


def export(run: Path, arm: str | None, name: str, out: Path, **options: Any) -> Any:
    return export_model(run, arm, name, out, study=run.parent / _file(run), **options)


def rows_of(run: Path) -> np.ndarray:
    """Return the table as a user has it, columns in their order, rows in the order of the study's examples."""
    lines = [line.split(",") for line in (run.parent / "clients.csv").read_text().split()[1:]]
    rows = {line[0]: [float(cell) for cell in line[3:]] for line in lines}
    return np.array([rows[name] for name in leaving(run, "fedavg").examples.ids])


def in_a_fresh_process(folder: Path, code: str, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Run code in a folder, with Headstart nowhere on the path; it saves what it finds."""
    np.savez(folder / "inputs.npz", **inputs)
    guard = "import sys\nsys.modules['headstart'] = None\nimport numpy as np\nINPUTS = np.load('inputs.npz')\n"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [
        sys.executable,
        "-W",
        "error::UserWarning",
        "-c",
        f"{guard}{code}\nnp.save('found.npy', np.asarray(FOUND))",
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "found.npy")


def snippet(folder: Path) -> str:
    """Return the card's own code; what it prints is what it found."""
    text = (folder / "README.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    before, _, printed = code.rstrip().rpartition("print(")
    return f"{before}FOUND = {printed.removesuffix(')')}"


@pytest.mark.parametrize("name", ["state_dict", "safetensors"])
def test_the_cards_code_predicts_as_the_study_does_from_columns_as_they_are(
    run: Path, tmp_path: Path, name: str
) -> None:
    done = export(run, "fedavg", name, tmp_path / "out")
    assert done.compared.difference < 1e-6
    assert done.recorded[0] == done.recorded[1] > 0
    code = snippet(tmp_path / "out").replace("[[0.0] * 5]", "INPUTS['rows']")
    found = in_a_fresh_process(tmp_path / "out", code, {"rows": rows_of(run)})
    own = leaving(run, "fedavg")
    inputs = torch.from_numpy(own.examples.inputs)
    np.testing.assert_allclose(found, own.module()(inputs).detach(), atol=1e-6)


def test_a_state_dict_has_the_names_of_a_module_of_pytorchs_own(run: Path, tmp_path: Path) -> None:
    export(run, "fedavg", "state_dict", tmp_path / "out")
    state = torch.load(tmp_path / "out" / "model.pth", weights_only=True)
    torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5, 3)).load_state_dict(state, strict=True)


def test_pictures_are_read_from_files_as_the_study_read_them(pictures: Path, tmp_path: Path) -> None:
    export(pictures, "ridge", "state_dict", tmp_path / "out")
    own = leaving(pictures, "ridge")
    Image.fromarray(own.examples.inputs[7][0]).save(tmp_path / "out" / "picture.png")
    found = in_a_fresh_process(tmp_path / "out", snippet(tmp_path / "out"), {})
    np.testing.assert_allclose(found, own.module()(torch.from_numpy(own.examples.inputs[7:8])).detach(), atol=1e-6)


def test_texts_go_in_as_texts(tmp_path: Path) -> None:
    federation, encoder = texts(), str(save_encoder(tmp_path / "saved"))
    rows = list(federation.examples.inputs.texts())[:5]
    study = Study(federation, [RIDGE], backbone=encoder, seeds=(0,), trials=1, baseline="ridge", until="all")
    study.run(tmp_path / "run")
    own = take_out(open_run(tmp_path / "run", "ridge", None, study, check=check_leaves), None)
    right = own.module()(RaggedTensor.of(own.examples.inputs)[np.arange(5)]).detach()
    for name in ("state_dict", "transformers", "onnx"):
        out = tmp_path / name
        assert export_model(tmp_path / "run", "ridge", name, out, study=study).compared is not None
        code = re.sub(r'\["a text of yours"[^]]*\]?\]', "INPUTS['rows'].tolist()", snippet(out))
        np.testing.assert_allclose(in_a_fresh_process(out, code, {"rows": np.array(rows)}), right, atol=1e-5)


@pytest.mark.parametrize("study", ["run", "pictures"])
def test_onnx_reads_what_a_user_has(study: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(study)
    done = export(folder, "fedavg" if study == "run" else "ridge", "onnx", tmp_path / "out")
    assert done.compared.difference < 1e-5
    own = leaving(folder, done.arm)
    if study == "run":
        code = snippet(tmp_path / "out").replace(
            "np.zeros((1, 5), dtype=np.float32)", "INPUTS['rows'].astype('float32')"
        )
        found = in_a_fresh_process(tmp_path / "out", code, {"rows": rows_of(folder)})
        right = own.module()(torch.from_numpy(own.examples.inputs))
    else:
        Image.fromarray(own.examples.inputs[3][0]).save(tmp_path / "out" / "picture.png")
        found = in_a_fresh_process(tmp_path / "out", snippet(tmp_path / "out"), {})
        right = own.module()(torch.from_numpy(own.examples.inputs[3:4]))
    np.testing.assert_allclose(found, right.detach(), atol=1e-5)


@pytest.mark.parametrize("arm", ["alone", "local"])
def test_a_clients_own_model_predicts_what_the_run_recorded_of_it(run: Path, tmp_path: Path, arm: str) -> None:
    done = export(run, arm, "state_dict", tmp_path / "out", client="site-2")
    assert done.recorded[0] == done.recorded[1] > 0
    assert "the model of the client site-2, adapted" in (tmp_path / "out" / "README.md").read_text()
    shared = leaving(run, "fedavg").weights["head.weight"]
    assert not torch.equal(leaving(run, arm, "site-2").weights["head.weight"], shared)


def test_the_shared_model_of_an_arm_that_adapts_is_what_clients_receive(run: Path, tmp_path: Path) -> None:
    done = export(run, "alone", "state_dict", tmp_path / "out")
    assert done.recorded is None
    card = (tmp_path / "out" / "README.md").read_text()
    assert "each client goes on to adapt this model" in card
    assert "model-index" not in card
    torch.testing.assert_close(leaving(run, "alone").weights, leaving(run, "fedavg").weights)


def test_without_an_arm_the_recommended_one_leaves(run: Path, tmp_path: Path) -> None:
    recommended = json.loads((run / "verdict.json").read_text())["recommended"]
    client = None if recommended in ("fedavg", "alone") else "site-0"
    if recommended == "knn":
        pytest.skip("the verdict recommends an arm that cannot leave")
    assert export(run, None, "onnx", tmp_path / "out", client=client).arm == recommended


def test_labels_and_preprocessing_say_what_goes_in_and_comes_out(run: Path, tmp_path: Path) -> None:
    export(run, "fedavg", "onnx", tmp_path / "out")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert (labels["task"], labels["labels"]) == ("classification", list(CLASSES))
    said = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    assert [column["name"] for column in said["columns"]] == ["a", "b", "c", "d", "e"]
    own = leaving(run, "fedavg")
    scaled = [(rows_of(run)[:, at] - one["mean"]) / one["std"] for at, one in enumerate(said["columns"])]
    np.testing.assert_allclose(np.stack(scaled, 1), own.examples.inputs, atol=1e-5)


REFUSED: dict[str, tuple[dict[str, Any], type[HeadstartError], str]] = {
    "format": ({"name": "onx"}, SettingError, "format: .* received 'onx'; did you mean 'onnx'"),
    "arm": ({"arm": "fedavgg"}, SettingError, "arm: .* received 'fedavgg'; did you mean 'fedavg'"),
    "seed": ({"seed": 3}, SettingError, r"seed: .* received 3; valid: \[0\]"),
    "client": ({"client": "site-9"}, SettingError, "client: .* received 'site-9'; did you mean 'site-"),
    "memory": (
        {"arm": "knn"},
        SettingError,
        "arm: must predict from weights alone, .*'knn' remembers clients' examples",
    ),
    "not shared": ({"arm": "local"}, SettingError, "client: must be given .* 'local', which shares no head .* site-0"),
    "no network": ({"name": "transformers"}, ModelError, "needs a network of Transformers, received 'linear'"),
}


@pytest.mark.parametrize(("options", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_leave_is_one_line_and_leaves_nothing(
    run: Path, tmp_path: Path, options: dict[str, Any], error: type[HeadstartError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        export(run, **{"arm": "fedavg", "name": "onnx", "out": tmp_path / "out", **options})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_and_a_folder_in_use_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no run folder: it has no study\.toml"):
        export_model(tmp_path, "fedavg", "onnx", tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(SettingError, match="out: must be a new or an empty folder"):
        export(run, "fedavg", "onnx", tmp_path / "out")


def test_other_data_than_those_that_were_run_are_refused(run: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "clients.csv", seed=1)
    (tmp_path / "tiny.toml").write_text((run.parent / "tiny.toml").read_text())
    with pytest.raises(SettingError, match="must have been run with these data and settings"):
        export_model(run, "fedavg", "onnx", tmp_path / "out", study=tmp_path / "tiny.toml")


def test_a_study_made_in_python_is_exported_with_the_study_itself(tmp_path: Path) -> None:
    federation = table()
    study = Study(federation, [SCRATCH], backbone="mlp", seeds=(0,), trials=1, baseline="scratch", until="all")
    study.run(tmp_path / "run")
    with pytest.raises(SettingError, match="run: must be of a study whose data are here"):
        export_model(tmp_path / "run", "scratch", "onnx", tmp_path / "out")
    done = export_model(tmp_path / "run", "scratch", "state_dict", tmp_path / "out", study=study)
    assert done.recorded is not None
    assert done.recorded[0] == done.recorded[1] > 0


def test_predictions_that_are_others_leave_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any) -> str:
        return network_code(*given).replace("softmax(-1)", "sigmoid()")

    monkeypatch.setattr("headstart.export.formats.network_code", wrong)
    with pytest.raises(ModelError, match="must predict as the study does"):
        export(run, "fedavg", "state_dict", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
