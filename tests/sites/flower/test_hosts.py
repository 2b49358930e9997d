"""Two hosts with addresses of their own, in network namespaces; the cable between them is cut for 30 seconds."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart.sites.flower.keys import make_keys
from headstart.sites.flower.local import accept_alike
from headstart.sites.flower.programs import Link
from headstart.sites.settings import NodeSettings
from headstart.study.written.load import load_study
from sites.finished import finished, round_of
from sites.in_process import write_sites

pytest.importorskip("flwr")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and 'ip'"),
]

SERVER, SITES = "10.77.0.1", "10.77.0.2"
NAMES = ("north", "south")
CUT_SECONDS = 30


COMMAND = [sys.executable, "-m", "headstart", "federate"]


def _files(link: Link) -> list[str]:
    return ["--address", link.address, "--keys", str(link.keys), "--home", str(link.home)]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _on(host: str) -> list[str]:
    return ["ip", "netns", "exec", f"headstart-{host}"]


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    for host in ("server", "sites"):
        _ip("netns", "add", f"headstart-{host}")
    try:
        here, there = ("hs-a", "netns", "headstart-server"), ("hs-b", "netns", "headstart-sites")
        _ip("link", "add", *here, "type", "veth", "peer", *there)
        for host, device, address in (("server", "hs-a", SERVER), ("sites", "hs-b", SITES)):
            _ip("-n", f"headstart-{host}", "addr", "add", f"{address}/24", "dev", device)
            _ip("-n", f"headstart-{host}", "link", "set", device, "up")
            _ip("-n", f"headstart-{host}", "link", "set", "lo", "up")
        yield
    finally:
        for host in ("server", "sites"):
            subprocess.run(["ip", "netns", "del", f"headstart-{host}"], check=False)


def test_two_hosts_federate_and_survive_a_cut(hosts: None, tmp_path: Path) -> None:
    write_sites(tmp_path, NAMES, each=80)
    text = (tmp_path / "study.toml").read_text().replace("rounds = 3", "rounds = 6")
    (tmp_path / "study.toml").write_text(text)
    make_keys(tmp_path / "keys", [SERVER], NAMES)
    link = Link(f"{SERVER}:8000", tmp_path / "keys", tmp_path / "flower")
    programs = []

    def begin(host: str, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with (tmp_path / log).open("wb") as file:
            programs.append(subprocess.Popen([*_on(host), *command], env=link.environment, stdout=file, stderr=file))
        return programs[-1]

    try:
        begin("server", [*COMMAND, "up", *_files(link), "--database", str(tmp_path / "link.db")], "link.log")
        for name in NAMES:
            data, state = tmp_path / f"{name}.parquet", tmp_path / "state" / name
            node = NodeSettings(name=name, data=str(data), state=str(state), examples=1, class_examples=1)
            accept_alike(node, load_study(tmp_path / "study.toml"))
            begin("sites", link.node(node), f"{name}.log")
        out = tmp_path / "out"
        words = ["run", str(tmp_path / "study.toml"), "--arm", "fedavg", "--out", str(out), "--sites", "2"]
        run = begin("server", [*COMMAND, *words, *_files(link)[2:]], "run.log")
        end = time.monotonic() + 200
        while not round_of(out) and time.monotonic() < end:
            time.sleep(0.1)
        _ip("-n", "headstart-sites", "link", "set", "hs-b", "down")
        time.sleep(CUT_SECONDS)
        assert not (out / "verdict.json").exists()
        _ip("-n", "headstart-sites", "link", "set", "hs-b", "up")
        run.wait(400)
        found = finished(out, "fedavg")
    finally:
        for each in reversed(programs):
            each.terminate()
        for each in programs:
            each.wait(30)
    assert found["curve"][-1]["round"] == 6
    assert set(found["clients"]) == set(NAMES)
    assert found["excluded"] == [], json.dumps(found["excluded"])
