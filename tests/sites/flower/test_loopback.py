"""Real programs on loopback, with TLS and keys: the simulation's numbers; strangers refused; kills survived."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headstart.sites.flower.keys import make_keys
from headstart.sites.flower.local import running
from headstart.sites.flower.programs import Link, free_ports
from headstart.sites.flower.run import LAST, run_on
from headstart.sites.settings import NodeSettings, RunSettings
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import Study
from headstart.study.written.load import load_study

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


def _run(link: Link, folder: Path, arm: str, out: str = "out", **more: Any) -> dict[str, Any]:
    return run_on(link, _said(folder, arm, out, **more))


def _said(folder: Path, arm: str, out: str, **more: Any) -> RunSettings:
    return RunSettings(study=str(folder / "study.toml"), arm=arm, out=str(folder / out), sites=4, **more)


@pytest.mark.parametrize("arm", ["fedavg", "ridge", "finetune"])
def test_the_numbers_are_the_simulations(arm: str, link: Link, folder: Path, tmp_path: Path) -> None:
    found = _run(link, folder, arm)
    plan = Study.load(folder / "study.toml")
    pipeline = Pipeline(plan.lab, NodeStore(tmp_path), 0, "balanced_accuracy")
    spec = next(one for one in plan.slate.arms if one.name == arm)
    facts = pipeline.result(spec, ["val", "test"]).facts["metrics"]["test"]
    assert found["excluded"] == []
    for position, client in enumerate(pipeline.federation.clients):
        got = found["clients"][client.id]["metrics"]["test"]
        assert {name: each[0] for name, each in got.items()} == pytest.approx(
            {name: each[position] for name, each in facts.items()}, abs=1e-4
        )


def _supernode(link: Link, name: str, data: Path, state: Path, key: Path | None = None) -> str:
    """Return what a site prints until it gives up, or ten seconds have passed."""
    node = NodeSettings(name=name, data=str(data), state=str(state))
    command = [*link.supernode(node, free_ports(1)[0], key), "--max-retries", "2"]
    with subprocess.Popen(
        command, env=link.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            return process.communicate(timeout=15)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0]


def _online(link: Link) -> int:
    said = json.loads(link.said_by([*link.list_sites(), "--format", "json"]).stdout)
    return sum(one["status"] == "online" for one in said["nodes"])


def test_strangers_are_refused(link: Link, folder: Path, tmp_path: Path) -> None:
    make_keys(tmp_path / "others", ["127.0.0.1"], ["stranger"])
    data = folder / "sites" / "theo.parquet"
    said = _supernode(link, "stranger", data, tmp_path / "s", tmp_path / "others" / "sites" / "stranger")
    assert _online(link) == 4, said
    other = Link(link.address, tmp_path / "others", tmp_path / "home")
    assert "certificate" in _supernode(other, "stranger", data, tmp_path / "s").lower()


def test_a_probe_answers_in_two_messages(link: Link, folder: Path) -> None:
    found = _run(link, folder, "probe", secure=True)
    assert found["verdict"] in ("fine-tune", "federate", "both", "unsure")
    assert set(found["scores"]) == set(SPEAKERS)


def test_a_server_that_is_killed_goes_on(link: Link, folder: Path) -> None:
    whole = _run(link, folder, "fedavg", "whole")
    rounds = folder / "cut" / "rounds" / "fedavg-0-0" / "nodes"
    shutil.rmtree(folder / "cut", ignore_errors=True)
    (folder / "cut").mkdir()
    said = _said(folder, "fedavg", "cut", sign=str(link.keys / "signer.pem"))
    thread = threading.Thread(target=link.follow, args=(link.run(folder / "cut", said),))
    thread.start()
    end = time.monotonic() + 200
    while not any(rounds.glob("*.json")) and time.monotonic() < end:
        time.sleep(0.05)
    found = subprocess.run(["pgrep", "-f", "flwr-serverapp"], capture_output=True, text=True, check=True).stdout
    for process in found.split():
        os.kill(int(process), signal.SIGKILL)
    thread.join(200)
    assert not (folder / "cut" / LAST).exists()
    again = _run(link, folder, "fedavg", "cut")
    assert again["rounds"] == whole["rounds"] == 4
    assert again["clients"] == whole["clients"]
