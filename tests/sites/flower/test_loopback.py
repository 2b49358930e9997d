"""Real programs on loopback, with TLS and keys: the simulation's numbers; strangers refused; kills survived."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headstart.core.progress import Silent
from headstart.sites.flower.grid import GridAsk
from headstart.sites.flower.keys import make_keys, read_signer
from headstart.sites.flower.local import running
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.programs import Link
from headstart.sites.flower.run import probe_on, study_on
from headstart.sites.secure.messages import Keys
from headstart.sites.secure.peers import Peers
from headstart.sites.settings import NodeSettings, RunSettings
from headstart.sites.signed import Orders
from headstart.sites.transport import Answer, Failed, Request, consult
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import Study
from headstart.study.written.load import load_study
from sites.finished import finished, round_of

pytest.importorskip("flwr")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("HEADSTART_DATA" not in os.environ, reason="HEADSTART_DATA names no folder of real data"),
]

SPEAKERS = ("george", "jackson", "lucas", "theo")
STUDY = """
name  = "speakers"
seeds = [0]
[data]
source = "$HEADSTART_DATA/images/spoken_digits_6speakers.parquet"
client = "speaker"
where  = { speaker = ["george", "jackson", "lucas", "theo"] }
[data.central]
source = "$HEADSTART_DATA/images/spoken_digits_6speakers.parquet"
where  = { speaker = ["nicolas", "yweweler"] }
[model]
backbone = "small-cnn"
[training]
batch_size = 16
momentum   = 0.9
client_lr  = 0.01
[decision]
baseline = "finetune"
metric   = "balanced_accuracy"
[tuning]
trials = 1
[engine]
name = "serial"
[arms.fedavg]
start    = { method = "pretrain", epochs = 10 }
federate = { method = "fedavg", rounds = 4, local_epochs = 1 }
[arms.ridge]
start    = { method = "pretrain", epochs = 10 }
federate = "ridge"
[arms.finetune]
start = { method = "pretrain", epochs = 10 }
adapt = { method = "linear_probe", epochs = 5 }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("federation")
    (folder / "study.toml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def link(folder: Path) -> Iterator[Link]:
    from headstart.data import open_federation
    from headstart.sites.flower.local import write_site_files

    file = load_study(folder / "study.toml")
    sites = write_site_files(open_federation(file.data, file.folder), file.data, folder / "sites", len(SPEAKERS))
    with running(sites, folder / "local", file) as link:
        yield link


def _run(link: Link, folder: Path, arm: str, out: str = "out", *, secure: bool = False) -> dict[str, Any]:
    file, where = load_study(folder / "study.toml"), folder / out
    with study_on(link, file, RunSettings(out=str(where), secure=secure), Silent()) as study:
        study.run(where, arms=[arm], seeds=[0])
    return finished(where, arm)


@pytest.mark.parametrize(
    ("arm", "secure"), [("fedavg", False), ("fedavg", True), ("ridge", False), ("finetune", False)]
)
def test_the_numbers_are_the_simulations(arm: str, secure: bool, link: Link, folder: Path, tmp_path: Path) -> None:
    found = _run(link, folder, arm, f"out-{secure}", secure=secure)
    plan = Study.load(folder / "study.toml")
    pipeline = Pipeline(plan.lab, NodeStore(tmp_path), 0, "balanced_accuracy")
    spec = next(one for one in plan.slate.arms if one.name == arm)
    facts = pipeline.result(spec, ["val", "test"]).facts["metrics"]["test"]
    assert found["excluded"] == []
    for position, client in enumerate(pipeline.federation.clients):
        got = found["clients"][client.id]
        assert got == pytest.approx({name: each[position] for name, each in facts.items()}, abs=1e-4)


def _node(link: Link, name: str, data: Path, state: Path) -> str:
    """Return what a site prints until it gives up, or fifteen seconds have passed."""
    command = link.node(NodeSettings(name=name, data=str(data), state=str(state)))
    with subprocess.Popen(
        command, env=link.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            return process.communicate(timeout=15)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0]


def test_strangers_are_refused(link: Link, folder: Path, tmp_path: Path) -> None:
    make_keys(tmp_path / "others", ["127.0.0.1"], ["stranger"])
    data = folder / "sites" / "theo.parquet"
    other = Link(link.address, tmp_path / "others", tmp_path / "home")
    assert "certificate" in _node(other, "stranger", data, tmp_path / "s").lower()
    shutil.copy(link.keys / "ca.crt", other.keys / "ca.crt")
    assert "connected" not in _node(other, "stranger", data, tmp_path / "s")
    nodes = Operator.of(link).nodes().nodes_info
    assert [site.status for site in nodes] == ["online"] * 4


def test_nobody_but_the_signer_is_obeyed(link: Link, folder: Path) -> None:
    """Who has the link, its token and its secret, and not the key that signs: sites do nothing for them."""
    operator, stranger = Operator.of(link), Ed25519PrivateKey.generate()
    with operator.run() as grid:
        ask = GridAsk(grid, Orders(stranger, link.sites()), operator.names(), timeout=6)
        came = list(ask([Request(site, "hello", "{}") for site in ask.names]))
    assert [isinstance(one, Failed) for one in came] == [True] * 4
    logs = [(folder / "local" / f"site-{name}.log").read_text() for name in SPEAKERS]
    assert all("refused: the request is not signed by the key that this site trusts" in log for log in logs)


def test_sites_sign_the_keys_of_their_masks(link: Link) -> None:
    operator, signer, exchange = Operator.of(link), read_signer(link.keys / "signer.pem"), secrets.token_hex(16)
    with operator.run() as grid:
        ask = GridAsk(grid, Orders(signer, link.sites()), operator.names(), timeout=60)
        came = consult(ask, list(ask.names), Keys(exchange))
    keys = {one.client: one.said for one in came if isinstance(one, Answer)}
    assert set(keys) == {*SPEAKERS}
    Peers(pinned=link.sites()).check(exchange, "", keys)


def test_a_probe_answers_in_two_messages(link: Link, folder: Path) -> None:
    said = RunSettings(out=str(folder / "probe"), secure=True)
    found = probe_on(link, load_study(folder / "study.toml"), said, Silent())
    assert found["verdict"] in ("fine-tune", "federate", "both", "unsure")
    assert set(found["scores"]) == set(SPEAKERS)


def test_a_server_that_is_killed_goes_on(link: Link, folder: Path) -> None:
    whole = _run(link, folder, "fedavg", "whole")
    shutil.rmtree(folder / "cut", ignore_errors=True)
    (folder / "cut").mkdir()
    words = ["run", str(folder / "study.toml"), "--arm", "fedavg", "--sites", "4", "--out", str(folder / "cut")]
    where = ["--keys", str(link.keys), "--home", str(link.home)]
    command = [sys.executable, "-m", "headstart", "federate", *words, *where]
    with subprocess.Popen(command, env=link.environment) as run:
        end = time.monotonic() + 200
        while not round_of(folder / "cut") and time.monotonic() < end:
            time.sleep(0.05)
        run.kill()
    assert not (folder / "cut" / "verdict.json").exists()
    again = _run(link, folder, "fedavg", "cut")
    assert again["curve"] == whole["curve"]
    assert again["clients"] == whole["clients"]
