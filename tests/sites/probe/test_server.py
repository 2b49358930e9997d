"""A probe over sites is the simulation's closed forms; masks and noise change what is read, not what is right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.errors import ClientError, SettingError
from headstart.diagnosis import diagnose
from headstart.diagnosis.transfer import logme
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.federate.ridge import Ridge
from headstart.models.model import cut_at
from headstart.sites.probe import heads as probe
from headstart.sites.probe.server import run_probe
from headstart.sites.settings import Protection
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import Study
from headstart.study.written.load import StudyFile, load_study
from sites.in_process import NAMES, InProcess, arm_of, lost, opened, sites_of, spoils


def test_a_probe_is_the_simulations_closed_forms(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "sites"))
    found = run_probe(opened(file, ask, tmp_path / "out"))
    assert found["verdict"] in ("fine-tune", "federate", "both", "unsure")
    assert [kind for name, kind, _ in ask.asked if name == "north"] == ["hello", "start", "sums", "heads"]
    plan = Study.open(file)
    federation = plan.lab.at(0)

    pipeline = Pipeline(plan.lab, NodeStore(tmp_path / "s"), 0, "accuracy")
    trunk = pipeline.start(arm_of(file, "ridge").start)
    model, params = cut_at(trunk.network, trunk.weights, "head")
    data = {c.id: OneClient(plan.lab.activations, c.id, c.train, keyed_order, ()) for c in federation.clients}
    val = {c.id: OneClient(plan.lab.activations, c.id, c.val, keyed_order, ()) for c in federation.clients}
    method = Ridge(penalty=found["penalty"])
    updates = [method.client_update(model, {}, {}, one)[0] for one in data.values()]
    total = {name: torch.stack([update[name] for update in updates]).sum(0) for name in updates[0]}
    head, _ = method.server_update(model, params, {}, total)
    heads = {f"ridge/{name}": value for name, value in head.items()}
    for kind, other in probe.OTHERS.items():
        sent = [other.client_update(model, {}, {}, one)[0] for one in data.values()]
        added = {name: torch.stack([update[name] for update in sent]).sum(0) for name in sent[0]}
        heads |= {f"{kind}/{name}": value for name, value in other.server_update(model, params, {}, added)[0].items()}
    for name in NAMES:
        scores = {"examples": len(val[name].indices), **probe.compare(model, heads, data[name], val[name])}
        assert scores == pytest.approx(found["scores"][name], abs=1e-5)
    features = torch.cat([one.everything(model).inputs for one in data.values()]).numpy()
    labels = torch.cat([one.everything(model).labels for one in data.values()]).numpy()
    assert found["logme"] == pytest.approx(logme(features, labels, 10), rel=1e-5)
    assert 0 <= found["shift"] < 0.5
    assert 0 <= found["skew"] < 0.5
    parts = [
        [(one.everything(model).inputs.numpy(), one.everything(model).labels.numpy()) for one in split.values()]
        for split in (data, val)
    ]
    foretold = diagnose(*parts, 10, metric=file.settings.decision.metric).prediction
    for sharing, signals in foretold.signals.items():
        assert found["prediction"]["signals"][sharing] == pytest.approx(vars(signals), abs=1e-4)
    assert found["prediction"]["family"] == foretold.family
    best = max(found["means"][name] for name in ("global", "personal"))
    np.testing.assert_allclose(found["ceiling"], best - found["means"]["local"])


def test_masked_sums_give_the_same_answer(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    plain = run_probe(opened(file, InProcess(sites_of(folder, tmp_path / "a")), tmp_path / "one"))
    ask = InProcess(sites_of(folder, tmp_path / "b", masked=True))
    found = run_probe(opened(file, ask, tmp_path / "two", asks=Protection(secure=True)))
    assert found["penalty"] == plain["penalty"]
    for name in NAMES:
        assert found["scores"][name] == pytest.approx(plain["scores"][name], abs=1e-5)
    for sharing, signals in plain["prediction"]["signals"].items():
        # Of squared errors such sites tell hundredths.
        assert found["prediction"]["signals"][sharing] == pytest.approx(signals, abs=5e-3)
    with pytest.raises(ClientError, match="sends masked sums only"):
        run_probe(opened(file, ask, tmp_path / "three"))


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("sums", lambda said, tree: ('{"noise": "none"}', tree), "field 'noise' must be a valid number"),
        ("sums", lambda said, tree: (said, {"train/gram": tree["train/gram"]}), "other tensors"),
        ("sums", lambda said, tree: (said, {n: v * torch.inf for n, v in tree.items()}), "not finite"),
        ("heads", lambda said, tree: ('{"examples": 9, "scores": {"local": 2}}', tree), "field 'scores"),
        ("heads", lost, "did not answer"),
    ],
)
def test_a_bad_answer_is_left_out_by_name(
    kind: str, change: Any, reason: str, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    found = run_probe(
        opened(file, InProcess(sites_of(folder, tmp_path / "sites"), spoils(kind, change)), tmp_path / "out")
    )
    assert list(found["left_out"]) == ["east"]
    assert reason in found["left_out"]["east"]
    # Who sent no sums of use may still score the heads.
    assert set(found["scores"]) == (set(NAMES) if kind == "sums" else set(NAMES) - {"east"})


def test_a_probe_needs_a_backbone_that_is_trained(folder: Path, tmp_path: Path) -> None:
    text = (folder / "study.toml").read_text()
    local = text[text.index("[arms.local]") : text.index("[arms.both]")]
    head = text[: text.index("[data.central]")] + text[text.index("[model]") : text.index("[arms.fedavg]")]
    (tmp_path / "study.toml").write_text(head + local)
    ask = InProcess(sites_of(folder, tmp_path / "sites"))
    with pytest.raises(SettingError, match="probe: goes through features that are good already, received a backbone"):
        run_probe(opened(load_study(tmp_path / "study.toml"), ask, tmp_path / "out"))


def test_noise_is_said_with_its_promise(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "a", noise=2.0))
    found = run_probe(opened(file, ask, tmp_path / "out", asks=Protection(noise=1.0)))
    assert found["epsilon"] == pytest.approx(1.99, abs=0.1)
    assert set(found["scores"]) == set(NAMES)
