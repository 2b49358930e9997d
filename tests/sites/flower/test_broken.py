"""Programs are killed while a run is on, in turn: link, server, a site. The numbers are those of a run without."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headstart.sites.flower.door import Door, write_door
from headstart.sites.flower.keys import make_keys
from headstart.sites.flower.local import accept_alike
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.programs import Link, free_ports
from headstart.sites.settings import NodeSettings
from headstart.study.written.load import load_study
from sites.finished import finished, round_of
from sites.in_process import write_sites

pytest.importorskip("flwr")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="kills programs as Linux and macOS do"),
]

SITES = int(os.environ.get("HEADSTART_BROKEN_SITES", "4"))
ROUNDS = 20
NAMES = tuple(f"site-{number:02d}" for number in range(SITES))


@dataclass
class Federation:
    """A link, sites and a server's program, each a process that can be killed and started again."""

    folder: Path
    link: Link
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.programs[name] = subprocess.Popen(command, env=self.link.environment, stdout=log, stderr=log)
        return self.programs[name]

    def kill(self, name: str) -> None:
        program = self.programs.pop(name)
        program.send_signal(signal.SIGKILL)
        program.wait()

    def start_link(self) -> None:
        self.start("link", self.link.program(self.folder / "link.db"))
        self.link.wait()

    def start_site(self, name: str) -> None:
        self.start(name, self.link.node(self.node(name)))

    def node(self, name: str) -> NodeSettings:
        data, state = self.folder / f"{name}.parquet", self.folder / "state" / name
        return NodeSettings(name=name, data=str(data), state=str(state), examples=1, class_examples=1)

    def run(self, out: str) -> subprocess.Popen[bytes]:
        words = [
            "run", str(self.folder / "study.toml"), "--arm", "fedavg", "--sites", str(SITES),
            "--out", str(self.folder / out), "--keys", str(self.link.keys), "--home", str(self.link.home),
        ]  # fmt: skip
        return self.start(f"run-{out}", [sys.executable, "-m", "headstart", "federate", *words])

    def told(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def wait_for_round(self, out: str, number: int, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while round_of(self.folder / out) < number:
            assert time.monotonic() < end, self.told(f"run-{out}")
            time.sleep(0.02)

    def result(self, out: str) -> dict[str, Any]:
        assert self.programs[f"run-{out}"].wait(400) == 0, self.told(f"run-{out}")
        return finished(self.folder / out, "fedavg")


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    write_sites(tmp_path, NAMES, each=40)
    text = (tmp_path / "study.toml").read_text().replace("rounds = 3", f"rounds = {ROUNDS}")
    (tmp_path / "study.toml").write_text(text)
    make_keys(tmp_path / "keys", ["127.0.0.1"], NAMES)
    (port,) = free_ports(1)
    made = Federation(tmp_path, Link(f"127.0.0.1:{port}", tmp_path / "keys", tmp_path / "flower"))
    write_door(made.link.home, Door.at(free_ports(1)[0]))
    try:
        made.start_link()
        Operator.of(made.link).register_all()
        for name in NAMES:
            accept_alike(made.node(name), load_study(tmp_path / "study.toml"))
            made.start_site(name)
        yield made
    finally:
        for name in list(made.programs):
            made.kill(name)


def test_killed_programs_change_nothing(federation: Federation) -> None:
    federation.run("whole")
    whole = federation.result("whole")
    federation.run("broken")

    federation.wait_for_round("broken", 3)
    federation.kill("link")
    time.sleep(1)
    federation.start_link()

    federation.wait_for_round("broken", 8)
    federation.kill(NAMES[0])
    federation.start_site(NAMES[0])

    federation.wait_for_round("broken", 13)
    federation.kill("run-broken")
    federation.run("broken")
    broken = federation.result("broken")

    assert whole["excluded"] == broken["excluded"] == []
    assert whole["curve"][-1]["round"] == ROUNDS
    assert set(whole["clients"]) == set(NAMES)
    assert broken["curve"] == whole["curve"]
    assert broken["clients"] == whole["clients"]
