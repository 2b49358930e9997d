"""An arm over sites gives the simulation's numbers, and survives what sites may send."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.adapt.gradient import Finetune
from headstart.core.content import hash_tree
from headstart.core.errors import SettingError
from headstart.core.progress import Silent
from headstart.core.trees import Params, Tree
from headstart.models.model import Model
from headstart.models.weights import load
from headstart.study.run.nodes import NodeStore
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.written.arms import Stage as Written
from headstart.study.written.load import StudyFile, load_study
from headstart.training.client_data import ClientData
from sites.in_process import (
    NAMES,
    InProcess,
    arm_of,
    at_sites,
    losses,
    lost,
    opened,
    run_arm,
    simulated,
    sites_of,
    spoils,
)


@pytest.mark.parametrize("name", ["fedavg", "ridge", "finetune", "local", "both"])
def test_the_numbers_are_the_simulations(name: str, folder: Path, file: StudyFile, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "sites"))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, name))
    right = simulated(file, name, tmp_path / "simulation")
    assert found["excluded"] == []
    assert losses(found) == pytest.approx(right, abs=1e-4)
    assert (tmp_path / "sites" / "north" / "own.safetensors").is_file()


Change = Callable[[str, Tree], tuple[str, Tree]]
BAD: dict[str, tuple[Change, str]] = {
    "not finite": (lambda said, tree: (said, {n: v * torch.nan for n, v in tree.items()}), "not finite"),
    "wrong shape": (lambda said, tree: (said, {n: v[..., :1] for n, v in tree.items()}), "of shape"),
    "wrong type": (lambda said, tree: (said, {n: v.double() for n, v in tree.items()}), "torch.float64"),
    "other names": (lambda said, tree: (said, {f"x{n}": v for n, v in tree.items()}), "other tensors"),
    "100 times": (lambda said, tree: (said, {n: v * 100 for n, v in tree.items()}), "times the cohort's median"),
    "unknown field": (lambda said, tree: ('{"surprise": 1}', tree), "field 'surprise' is unknown"),
    "no message": (lambda said, tree: ("{", tree), "its answer: it "),
    "died": (lost, "did not answer"),
}


@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_update_is_named_and_the_round_goes_on(
    change: Change, reason: str, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "sites"), spoils("update", change))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, "fedavg"))
    assert [(one["client"], one["round"]) for one in found["excluded"]] == [("east", r) for r in range(3)]
    assert all(reason in one["reason"] for one in found["excluded"])
    assert set(found["clients"]) == set(NAMES)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"accepted": true}', "field 'metrics' is missing"),
        ('{"accepted": 1, "metrics": {}, "pooled": {}, "excluded": []}', "field 'accepted' must be a valid boolean"),
        ('{"error": "it failed with OSError; its own log says more"}', "it failed with OSError"),
    ],
)
def test_a_bad_evaluation_is_named_and_the_others_stand(
    said: str, reason: str, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "sites"), spoils("adapt", lambda _, tree: (said, tree)))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, "local"))
    assert [(one["client"], reason in one["reason"]) for one in found["excluded"]] == [("east", True)]
    assert set(found["clients"]) == set(NAMES) - {"east"}


def test_a_server_that_was_killed_goes_on(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    whole = run_arm(opened(file, InProcess(sites_of(folder, tmp_path / "a")), tmp_path / "one"), arm_of(file, "fedavg"))

    class Killed(Exception):
        pass

    def kill(request: Any, said: Any, tree: Any) -> Any:
        if request.kind == "update" and json.loads(request.text)["round"] == 2 and request.site == 2:
            raise Killed
        return said, tree

    ask = InProcess(sites_of(folder, tmp_path / "b"), kill)
    with pytest.raises(Killed):
        run_arm(opened(file, ask, tmp_path / "two"), arm_of(file, "fedavg"))
    again = InProcess(ask.sites)
    found = run_arm(opened(file, again, tmp_path / "two"), arm_of(file, "fedavg"))
    assert {number for _, kind, number in again.asked if kind == "update"} == {2}
    # Runs are named by what their own sites hold, in words that differ.
    assert json.dumps({**found, "run": ""}) == json.dumps({**whole, "run": ""})


def test_a_pooled_arm_is_refused(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    arm = replace(arm_of(file, "local"), federate=(Written("federate", "pooled"),))
    with pytest.raises(SettingError, match="'pooled' needs all examples in one place, which no real federation has"):
        run_arm(opened(file, InProcess(sites_of(folder, tmp_path / "s")), tmp_path / "out"), arm)


def test_a_site_adapts_once(folder: Path, file: StudyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, adapt = [], Finetune.__call__

    def counted(self: Finetune, model: Model, params: Params, data: ClientData) -> Params:
        calls.append(data)
        return adapt(self, model, params, data)

    monkeypatch.setattr(Finetune, "__call__", counted)
    found = run_arm(
        opened(file, InProcess(sites_of(folder, tmp_path / "sites")), tmp_path / "out"), arm_of(file, "finetune")
    )
    assert len(calls) == len(found["clients"]) == len(NAMES)


@pytest.mark.parametrize(("arm", "differs"), [("local", True), ("fedavg", False)])
def test_a_site_keeps_what_it_predicts_with(
    arm: str, differs: bool, folder: Path, file: StudyFile, tmp_path: Path
) -> None:
    run_arm(opened(file, InProcess(sites_of(folder, tmp_path / "sites")), tmp_path / "out"), arm_of(file, arm))
    own = {hash_tree(load(tmp_path / "sites" / name / "own.safetensors")[0]) for name in NAMES}
    assert len(own) == (len(NAMES) if differs else 1)
    begun = {hash_tree(load(path)[0]) for path in (tmp_path / "sites" / "north").glob("model-*")}
    assert not own & begun


def test_a_trial_leaves_nothing_behind(folder: Path, file: StudyFile, tmp_path: Path) -> None:
    study = at_sites(opened(file, InProcess(sites_of(folder, tmp_path / "sites")), tmp_path / "out"))
    facts = study.pipeline(NodeStore(tmp_path / "out"), 0, Silent()).result(arm_of(file, "finetune"), TRIAL_VIEWS).facts
    assert set(facts["metrics"]) == {"val"}
    assert not [path for pattern in ("own*", "predicted-*") for path in (tmp_path / "sites").rglob(pattern)]


@pytest.mark.parametrize(
    "then", ["", ', { method = "fedavg", rounds = 2, local_epochs = 1, trainable = "all" }', ', "ridge"']
)
def test_private_trees_stay_at_their_sites(then: str, folder: Path, tmp_path: Path) -> None:
    """Also where a stage follows, which begins with the weights of a client that is no one in particular."""
    text = (folder / "study.toml").read_text().replace('"small-cnn"', '"mlp"')
    text = text[: text.index("[arms.fedavg]")].replace('baseline = "local"', 'baseline = "private"')
    first = '{ method = "fedsa_lora", rounds = 3, local_epochs = 2, client_lr = 0.05 }'
    (tmp_path / "study.toml").write_text(f'{text}[arms.private]\nstart = "random"\nfederate = [{first}{then}]\n')
    file = load_study(tmp_path / "study.toml")
    ask = InProcess(sites_of(folder, tmp_path / "sites"))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, "private"))
    assert losses(found) == pytest.approx(simulated(file, "private", tmp_path / "simulation"), abs=1e-4)
    assert list((tmp_path / "sites" / "north").glob("private-*.safetensors"))


@pytest.mark.parametrize(
    "settings",
    [
        'method = "fedrep", head_epochs = 2',
        'method = "fedbabu"',
        'method = "ditto", cohort_size = 3',
        'method = "mr_mtl"',
        'method = "apfl", learns_weight = true, cohort_size = 3',
        'method = "pfedme"',
    ],
)
def test_personal_methods_are_as_in_a_simulation(settings: str, folder: Path, tmp_path: Path) -> None:
    """Also for a site that was not in the last cohorts."""
    text = (folder / "study.toml").read_text()
    text = text[: text.index("[arms.fedavg]")].replace('baseline = "local"', 'baseline = "own"')
    (tmp_path / "study.toml").write_text(
        f'{text}[arms.own]\nstart = "random"\nfederate = {{ {settings}, rounds = 3 }}\n'
    )
    file = load_study(tmp_path / "study.toml")
    found = run_arm(
        opened(file, InProcess(sites_of(folder, tmp_path / "sites")), tmp_path / "out"), arm_of(file, "own")
    )
    assert losses(found) == pytest.approx(simulated(file, "own", tmp_path / "simulation"), abs=1e-4)
