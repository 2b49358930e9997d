"""A federation of sites gives the simulation's numbers, and survives what sites may send."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.errors import ClientError, SettingError
from headstart.sites.arms import run_arm
from headstart.sites.messages import Start
from headstart.sites.probe.server import run_probe
from headstart.sites.server import Server, open_server
from headstart.sites.site import Site
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from headstart.study.written.load import StudyFile, load_study
from sites.in_process import InProcess, write_sites

pytest.importorskip("flwr")
NAMES = ("north", "east", "south", "west")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sites(tmp_path_factory.mktemp("sites"), NAMES)


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return load_study(folder / "study.toml")


def _sites(folder: Path, state: Path, **options: Any) -> list[Site]:
    return [Site(name, folder / f"{name}.parquet", state / name, **options) for name in NAMES]


def _open(file: StudyFile, ask: InProcess, out: Path, **options: Any) -> Server:
    return open_server(file, ask, ask.addresses, out=out, seed=0, **options)


def _arm(file: StudyFile, name: str) -> Arm:
    return next(arm for arm in file.arms if arm.name == name)


def _simulated(file: StudyFile, name: str, out: Path) -> dict[str, float]:
    plan = Study.open(file)
    pipeline = Pipeline(plan.lab, NodeStore(out), 0, file.settings.decision.metric)
    facts = pipeline.result(_arm(file, name), ["val", "test"]).facts
    ids = [client.id for client in pipeline.federation.clients]
    return dict(zip(ids, facts["metrics"]["test"]["log_loss"], strict=True))


@pytest.mark.parametrize("name", ["fedavg", "ridge", "finetune", "local", "both"])
def test_the_numbers_are_the_simulations(name: str, folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(_sites(folder, tmp_path / "sites"))
    found = run_arm(_open(file, ask, tmp_path / "out"), _arm(file, name))
    right = _simulated(file, name, tmp_path / "simulation")
    assert found["excluded"] == []
    got = {client: facts["metrics"]["test"]["log_loss"][0] for client, facts in found["clients"].items()}
    assert got == pytest.approx(right, abs=1e-4)
    assert (tmp_path / "sites" / "north" / "own.safetensors").is_file()


def _spoils(change: Any) -> Any:
    def spoil(request: Any, said: dict[str, Any], tree: Any) -> Any:
        return change(said, tree) if request.kind == "update" and request.site == 1 else (said, tree)

    return spoil


def _lost(said: Any, tree: Any) -> Any:
    raise TimeoutError("it did not answer within 600 s")


BAD: dict[str, tuple[Any, str]] = {
    "not finite": (lambda said, tree: (said, {n: v * torch.nan for n, v in tree.items()}), "not finite"),
    "wrong shape": (lambda said, tree: (said, {n: v[..., :1] for n, v in tree.items()}), "of shape"),
    "wrong type": (lambda said, tree: (said, {n: v.double() for n, v in tree.items()}), "torch.float64"),
    "other names": (lambda said, tree: (said, {f"x{n}": v for n, v in tree.items()}), "other tensors"),
    "100 times": (lambda said, tree: (said, {n: v * 100 for n, v in tree.items()}), "times the cohort's median"),
    "died": (_lost, "did not answer"),
}


@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_update_is_named_and_the_round_goes_on(
    change: Any, reason: str, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    ask = InProcess(_sites(folder, tmp_path / "sites"), _spoils(change))
    found = run_arm(_open(file, ask, tmp_path / "out"), _arm(file, "fedavg"))
    assert [(one["client"], one["round"]) for one in found["excluded"]] == [("east", r) for r in range(3)]
    assert all(reason in one["reason"] for one in found["excluded"])
    assert set(found["clients"]) == set(NAMES)


def test_a_server_that_was_killed_goes_on(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    whole = run_arm(_open(file, InProcess(_sites(folder, tmp_path / "a")), tmp_path / "one"), _arm(file, "fedavg"))

    class Killed(Exception):
        pass

    def kill(request: Any, said: Any, tree: Any) -> Any:
        if request.kind == "update" and json.loads(request.text)["round"] == 2 and request.site == 2:
            raise Killed
        return said, tree

    ask = InProcess(_sites(folder, tmp_path / "b"), kill)
    with pytest.raises(Killed):
        run_arm(_open(file, ask, tmp_path / "two"), _arm(file, "fedavg"))
    again = InProcess(ask.sites)
    found = run_arm(_open(file, again, tmp_path / "two"), _arm(file, "fedavg"))
    assert {number for _, kind, number in again.asked if kind == "update"} == {2}
    assert json.dumps(found) == json.dumps(whole)


@pytest.mark.parametrize("policy", ["none", "counts", "metrics"])
def test_the_operator_decides_what_leaves(policy: str, folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(_sites(folder, tmp_path / "sites", policy=policy))
    server = _open(file, ask, tmp_path / "out")
    assert all(bool(site.sizes) == (policy != "none") for site in server.sites.values())
    found = run_arm(server, _arm(file, "finetune"))
    assert all(bool(facts) == (policy == "metrics") for facts in found["clients"].values())
    assert (tmp_path / "sites" / "west" / "own.safetensors").is_file()
    assert "update" not in {kind for _, kind, _ in ask.asked}


def test_a_site_takes_signed_models_alone(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    from headstart.sites.flower.keys import make_keys, read_public_key, signs_with

    make_keys(tmp_path / "keys", ["127.0.0.1"], NAMES)
    make_keys(tmp_path / "others", ["127.0.0.1"], NAMES)
    signer = read_public_key(tmp_path / "keys" / "signer.pub")
    for name, fits in (("keys", True), ("others", False)):
        ask = InProcess(_sites(folder, tmp_path / name / "state", signer=signer))
        sign = signs_with(tmp_path / name / "signer.pem")
        found = run_arm(_open(file, ask, tmp_path / name / "out", sign=sign), _arm(file, "finetune"))
        assert (set(found["clients"]) == set(NAMES)) == fits
        assert ("not signed by the key" in str(found["excluded"])) != fits


def test_a_model_that_was_changed_on_its_way_is_refused(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    site = _sites(folder, tmp_path)[0]
    with pytest.raises(ClientError, match="its digest does not fit"):
        site.shelf.put_weights({"head.bias": torch.zeros(2)}, Start("0" * 32, "", ""), None)


def test_pooled_arms_and_double_names_are_refused(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    sites = _sites(folder, tmp_path)
    with pytest.raises(SettingError, match="must be unique in a federation, received twice: north"):
        _open(file, InProcess([sites[0], sites[0]]), tmp_path / "out")
    with pytest.raises(ClientError, match="no site answered"):
        open_server(file, InProcess([]), [], out=tmp_path / "out", seed=0)


def test_a_probe_is_the_simulations_closed_forms(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(_sites(folder, tmp_path / "sites"))
    found = run_probe(_open(file, ask, tmp_path / "out"))
    assert found["verdict"] in ("fine-tune", "federate", "both", "unsure")
    assert [kind for name, kind, _ in ask.asked if name == "north"] == ["hello", "start", "sums", "heads"]
    plan = Study.open(file)
    federation = plan.lab.at(0)
    from headstart.diagnosis.transfer import logme
    from headstart.engine.clients import OneClient
    from headstart.engine.order import keyed_order
    from headstart.federate.ridge import Ridge
    from headstart.models.model import cut_at
    from headstart.sites.probe import heads as probe

    pipeline = Pipeline(plan.lab, NodeStore(tmp_path / "s"), 0, "accuracy")
    trunk = pipeline.start(_arm(file, "ridge").start)
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
    best = max(found["means"][name] for name in ("global", "personal"))
    np.testing.assert_allclose(found["ceiling"], best - found["means"]["local"])


def test_masked_sums_give_the_same_answer(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    plain = run_probe(_open(file, InProcess(_sites(folder, tmp_path / "a")), tmp_path / "one"))
    ask = InProcess(_sites(folder, tmp_path / "b", masked=True))
    found = run_probe(_open(file, ask, tmp_path / "two"), secure=True)
    assert found["penalty"] == plain["penalty"]
    for name in NAMES:
        assert found["scores"][name] == pytest.approx(plain["scores"][name], abs=1e-5)
    with pytest.raises(ClientError, match="sends masked sums only"):
        run_probe(_open(file, ask, tmp_path / "three"))


def test_a_lost_client_leaves_masked_sums_unread(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    def lost(request: Any, said: Any, tree: Any) -> Any:
        return _lost(said, tree) if request.kind == "sums" and request.site == 1 else (said, tree)

    ask = InProcess(_sites(folder, tmp_path / "sites"), lost)
    with pytest.raises(ClientError, match="sums of 3 of 4 clients came"):
        run_probe(_open(file, ask, tmp_path / "out"), secure=True)


def test_noise_is_said_with_its_promise(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    found = run_probe(_open(file, InProcess(_sites(folder, tmp_path / "a", noise=2.0)), tmp_path / "out"), noise=1.0)
    assert found["epsilon"] == pytest.approx(1.99, abs=0.1)
    assert set(found["scores"]) == set(NAMES)


def test_private_trees_stay_at_their_sites(folder: Path, tmp_path: Path) -> None:
    text = (folder / "study.toml").read_text().replace('"small-cnn"', '"mlp"')
    text = text[: text.index("[arms.fedavg]")].replace('baseline = "local"', 'baseline = "private"')
    arm = 'start = "random"\nfederate = { method = "fedsa_lora", rounds = 3, local_epochs = 2, client_lr = 0.05 }\n'
    (tmp_path / "study.toml").write_text(f"{text}[arms.private]\n{arm}")
    file = load_study(tmp_path / "study.toml")
    found = run_arm(_open(file, InProcess(_sites(folder, tmp_path / "sites")), tmp_path / "out"), _arm(file, "private"))
    right = _simulated(file, "private", tmp_path / "simulation")
    got = {client: facts["metrics"]["test"]["log_loss"][0] for client, facts in found["clients"].items()}
    assert got == pytest.approx(right, abs=1e-4)
    assert list((tmp_path / "sites" / "north").glob("private-*.safetensors"))
