"""Fine-tuning on the device: the simulation's numbers in its order; kept only if better; kills survived."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade import CLASSES, PROBE, SIDE, WIDTH, draw, make_bundle, projection, write_data
from headstart_edge import (
    Budget,
    EdgeError,
    cli,
    evaluate,
    finetune,
    load_state,
    open_bundle,
    open_data,
    reset,
    tensors,
)
from headstart_edge.features import Features
from headstart_edge.finetune import split
from headstart_edge.state import FILE, folder_of

SOURCE = Path(__file__).parents[1] / "src"


def _simulated(settings: dict[str, Any], count: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the head of the simulation's client-side stage on the same features and seed."""
    headstart = pytest.importorskip("headstart")
    import torch

    from headstart.adapt import METHODS
    from headstart.data.examples import Examples
    from headstart.engine.clients import OneClient
    from headstart.engine.features.activations import Activations
    from headstart.engine.order import keyed_order
    from headstart.models.model import cut_at
    from headstart.models.registry import build

    inputs, labels = draw(count)
    features = inputs.reshape(count, -1).astype(np.float32) / 255 @ projection()
    examples = Examples("table", features, labels, [str(i) for i in range(count)], CLASSES)
    spec = headstart.models.spec.ModelSpec(backbone="linear")
    network, weights = build(spec, shape=(WIDTH,), num_classes=3, from_scratch=True, seed=0)
    model, _ = cut_at(network, weights, "head")
    start = np.random.default_rng(1).normal(size=(3, WIDTH)).astype(np.float32) / 100
    params = {"head.weight": torch.from_numpy(start), "head.bias": torch.zeros(3)}
    client = OneClient(Activations(examples), "device", np.arange(count), keyed_order, (3, "adapt"))
    method = METHODS[settings["method"]].build({k: v for k, v in settings.items() if k != "method" and v is not None})
    return {name: value.numpy() for name, value in method(model, params, client).items()}


SETTINGS = {
    "sgd": PROBE,
    "adam": {**PROBE, "optimizer": "adam", "client_lr": 0.02, "momentum": 0.0},
    "adamw": {**PROBE, "optimizer": "adamw", "client_lr": 0.02, "momentum": 0.0},
    "weighted": {**PROBE, "balance": "loss"},
    "sampled": {**PROBE, "balance": "sampling"},
    "steps": {**PROBE, "local_steps": 17},
    "ridge": {"method": "personal_ridge", "penalty": None, "accept": True},
    "ridge with a penalty": {"method": "personal_ridge", "penalty": 3.0, "accept": True},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_head_is_the_simulations(settings: dict[str, Any], tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", settings))
    found = finetune(bundle, open_data(write_data(tmp_path / "data", 45), bundle), hold_back=0)
    right = _simulated(settings, 45)
    np.testing.assert_allclose(found.head["head.weight"], right["head.weight"], atol=1e-4)
    np.testing.assert_allclose(found.head["head.bias"], right["head.bias"], atol=1e-4)


def test_features_in_a_file_are_those_in_memory(tmp_path: Path) -> None:
    bundle, data = open_bundle(make_bundle(tmp_path / "b")), write_data(tmp_path / "data", 45)
    in_memory = finetune(bundle, open_data(data, bundle), state=tmp_path / "one")
    in_a_file = finetune(bundle, open_data(data, bundle), state=tmp_path / "two", budget=Budget(memory=0))
    np.testing.assert_array_equal(in_memory.head["head.weight"], in_a_file.head["head.weight"])
    assert os.listdir(tmp_path / "two") == [FILE]


def test_a_better_head_is_kept_and_reset_forgets_it(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    data = open_data(write_data(tmp_path / "data", 120), bundle)
    before = evaluate(bundle, data)
    state = finetune(bundle, data)
    assert (state.facts["accepted"], state.facts["examples"]) == ("yes", "96")
    assert evaluate(bundle, data)["accuracy"] > before["accuracy"] + 0.2
    assert reset(bundle)
    assert not reset(bundle)
    assert evaluate(bundle, data) == before


def test_a_worse_head_is_refused(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    finetune(bundle, open_data(write_data(tmp_path / "data", 120), bundle))
    good = load_state(bundle)
    assert good is not None
    inputs, labels = draw(60, seed=5)
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    np.save(wrong / "inputs.npy", inputs)
    np.save(
        wrong / "labels.npy", np.where(np.arange(60) % 6 == 0, labels, np.random.default_rng(0).permutation(labels))
    )
    state = finetune(bundle, open_data(wrong, bundle))
    kept = state.facts["accepted"] == "no"
    assert kept == (float(state.facts["after"]) <= float(state.facts["before"]))
    if kept:
        np.testing.assert_array_equal(state.head["head.weight"], good.head["head.weight"])


def test_ridge_goes_on_from_its_sums(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", {"method": "personal_ridge", "penalty": 1.0}))
    inputs, labels = draw(90)
    for name, part in (("first", slice(0, 40)), ("second", slice(40, 90)), ("all", slice(0, 90))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "inputs.npy", inputs[part])
        np.save(tmp_path / name / "labels.npy", labels[part])
    for name in ("first", "second"):
        twice = finetune(bundle, open_data(tmp_path / name, bundle), state=tmp_path / "parts", hold_back=0)
    once = finetune(bundle, open_data(tmp_path / "all", bundle), state=tmp_path / "whole", hold_back=0)
    np.testing.assert_allclose(twice.head["head.weight"], once.head["head.weight"], atol=1e-5)
    assert twice.facts["examples"] == "90"


def test_budgets_end_it(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", {**PROBE, "epochs": 10**6}))
    data = open_data(write_data(tmp_path / "data", 60), bundle)
    assert finetune(bundle, data, budget=Budget(steps=7)).facts["steps"] == "7"
    reset(bundle)
    begin = time.monotonic()
    finetune(bundle, data, budget=Budget(seconds=0.3))
    assert time.monotonic() - begin < 20
    reset(bundle)
    assert int(finetune(bundle, data, budget=Budget(patience=2)).facts["steps"]) < 10**5


REFUSED = {
    "one class": (
        lambda d: _save(d, np.zeros((16, 1, SIDE, SIDE), np.uint8), np.zeros(16, int)),
        r"received 16, all 'cat'",
    ),
    "wrong size": (
        lambda d: _save(d, np.zeros((4, 1, 9, 9), np.uint8), np.arange(4) % 2),
        r"row 0: must be a picture of 4 x 4",
    ),
    "wrong type": (lambda d: _save(d, np.zeros((4, 1, SIDE, SIDE)), np.arange(4) % 2), r"received float64 of shape"),
    "unknown class": (
        lambda d: _save(d, np.zeros((4, 1, SIDE, SIDE), np.uint8), np.full(4, 7)),
        r"class numbers from 0 to 2",
    ),
    "no labels": (lambda d: _save(d, np.zeros((4, 1, SIDE, SIDE), np.uint8), None), r"must be labelled to fine-tune"),
    "nothing": (lambda d: d.mkdir(), r"received the empty folder"),
    "no folder": (lambda d: None, r"must be a folder of examples"),
    "no array": (lambda d: _folders(d, "x"), r"a\.npy: must be an array"),
    "unknown folder": (lambda d: (d / "cow").mkdir(parents=True) or np.save(d / "cow" / "a.npy", 0), r"received 'cow'"),
}


def _save(folder: Path, inputs: np.ndarray[Any, Any], labels: np.ndarray[Any, Any] | None) -> None:
    folder.mkdir()
    np.save(folder / "inputs.npy", inputs)
    if labels is not None:
        np.save(folder / "labels.npy", labels)


def _folders(folder: Path, content: str) -> None:
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        (folder / name / "a.npy").write_text(content)


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_data_that_cannot_be_learnt_from_end_in_one_line(
    make: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_bundle(tmp_path / "bundle")
    make(tmp_path / "data")
    assert cli.main(["finetune", str(folder), str(tmp_path / "data")]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, data = make_bundle(tmp_path / "bundle"), write_data(tmp_path / "data", 40)
    (folder / "state").write_text("a file is in the way")
    assert cli.main(["finetune", str(folder), str(data)]) == 2
    assert "state: must be a folder that can be written" in capsys.readouterr().err
    assert cli.main(["finetune", str(folder), str(data), "--state", str(tmp_path / "mine")]) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    data = open_data(write_data(tmp_path / "data", 40), bundle)
    finetune(bundle, data)
    before = (folder_of(bundle) / FILE).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EdgeError, match="No space left on device"):
        finetune(bundle, data)
    assert (folder_of(bundle) / FILE).read_bytes() == before
    assert os.listdir(folder_of(bundle)) == [FILE]


def test_a_state_of_another_bundle_is_not_used(tmp_path: Path) -> None:
    first, second = (
        open_bundle(make_bundle(tmp_path / name, {**PROBE, "epochs": n})) for name, n in (("a", 3), ("b", 4))
    )
    finetune(first, open_data(write_data(tmp_path / "data", 40), first), state=tmp_path / "state")
    assert load_state(first, tmp_path / "state") is not None
    assert load_state(second, tmp_path / "state") is None


def test_the_command_does_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, data = make_bundle(tmp_path / "bundle"), write_data(tmp_path / "data", 60)
    examples = {"finetune": [str(data)], "evaluate": [str(data)], "predict": [str(data)]}
    commands = ("info", "finetune", "evaluate", "predict", "reset")
    assert [cli.main([name, str(folder), *examples.get(name, [])]) for name in commands] == [0] * 5
    told = capsys.readouterr().out
    assert "accepted  yes" in told
    assert "balanced accuracy " in told
    assert "back to the pre-trained head" in told


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    folder, data = make_bundle(tmp_path / "bundle"), write_data(tmp_path / "data", 40)
    code = (
        "import sys; from headstart_edge.cli import main; "
        f"assert main(['finetune', {str(folder)!r}, {str(data)!r}]) == 0; "
        "heavy = {'torch', 'pandas', 'pydantic', 'PIL', 'headstart'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


AGAIN_AND_AGAIN = """
import sys
from headstart_edge import *
bundle = open_bundle(sys.argv[1])
data = open_data(sys.argv[2], bundle)
while True:
    finetune(bundle, data)
    print("finished", flush=True)
"""


def _killed(folder: Path, data: Path, seconds: float) -> int:
    """Fine-tune again and again, kill it some time after the first state; return how many examples are learnt."""
    command = [sys.executable, "-c", AGAIN_AND_AGAIN, str(folder), str(data)]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"finished\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    bundle = open_bundle(folder)
    state = load_state(bundle)
    assert state is not None
    assert evaluate(bundle, open_data(data, bundle))["log_loss"] < 10
    return int(state.facts["examples"])


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_a_whole_state(tmp_path: Path, kills: int) -> None:
    """The state is always one that was written whole: so many times all 48 examples, and more each time."""
    folder, data = make_bundle(tmp_path / "bundle", {**PROBE, "epochs": 30}), write_data(tmp_path / "data", 60)
    moments = np.random.default_rng(0).uniform(0, 0.15, size=kills)
    learnt = np.array([_killed(folder, data, seconds) for seconds in moments])
    assert (np.diff(learnt, prepend=0) > 0).all()
    assert (learnt % 48 == 0).all()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}


def test_an_unfinished_fine_tuning_goes_on(tmp_path: Path) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", {**PROBE, "epochs": 6}))
    data = open_data(write_data(tmp_path / "data", 40), bundle)
    whole = finetune(bundle, data, state=tmp_path / "whole")

    class Killed(Exception):
        pass

    reads = 0
    plain = Features.rows

    def rows(self: Features, indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        nonlocal reads
        reads += 1
        if reads == 20:
            raise Killed
        return plain(self, indices)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Features, "rows", rows)
        with pytest.raises(Killed):
            finetune(bundle, data, state=tmp_path / "cut")
    unfinished = tensors.read((tmp_path / "cut" / "unfinished.safetensors").read_bytes(), "unfinished")[1]
    assert int(unfinished["epoch"]) > 0
    again = finetune(bundle, data, state=tmp_path / "cut")
    np.testing.assert_array_equal(again.head["head.weight"], whole.head["head.weight"])
    assert json.dumps(sorted(again.facts)) == json.dumps(sorted(whole.facts))


@pytest.mark.parametrize(("classes", "each", "held"), [(3, 2, 1), (3, 1, 0), (10, 2, 4), (3, 10, 6)])
def test_classes_of_two_examples_hold_some_back_too(classes: int, each: int, held: int) -> None:
    labels = np.repeat(np.arange(classes), each)
    train, back = split(labels, 0.2, 0, "device")
    assert len(back) == held
    assert {*train} | {*back} == {*range(len(labels))}
    assert {*labels[train]} == {*labels}
    assert len(split(labels, 0, 0, "device")[1]) == 0
