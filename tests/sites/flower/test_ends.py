"""The real programs end with the command that started them, and the link says so."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headstart.sites.flower.local import accept_alike
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.programs import Link, free_ports
from headstart.sites.settings import NodeSettings
from headstart.study.written.load import load_study
from sites.federations import Table
from sites.finished import round_of
from sites.test_agreement import rows

pytest.importorskip("flwr")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and a kill is told by Linux alone"),
]

NAMES = ("St. Mary's 3/B", '../a"b')
COMMAND = "from headstart.cli import main; main()"
Begin = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start commands of Headstart in a folder of their own; what is left ends with the test."""
    programs: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{words[0]}-{len(programs)}.log").open("wb") as log:
            command = [sys.executable, "-c", COMMAND, "federate", *words]
            programs.append(subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log))
        return programs[-1]

    yield start
    for program in programs:
        program.terminate()
        program.wait(60)


def _until(holds: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def _using(word: str) -> list[str]:
    """Return the programs whose command has a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [command for command in found if word in command and "flower.link" in command]


def test_programs_end_with_the_command_that_started_them(begin: Begin, tmp_path: Path) -> None:
    made = Table({name: rows(number) for number, name in enumerate("ab")}, 'standardize = "none"', "fedavg")
    _, paths = made.write(tmp_path)
    text = (tmp_path / "study.toml").read_text().replace("rounds = 2", "rounds = 200")
    (tmp_path / "study.toml").write_text(text)
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    begin("keys", "--host", "127.0.0.1", "--site", NAMES[0], "--site", NAMES[1]).wait(60)
    link = Link(address, tmp_path / "keys", tmp_path / "flower")
    up = begin("up", "--address", address)
    assert _until(lambda: b"nobody else" in (tmp_path / "up-1.log").read_bytes())
    for name, path in zip(NAMES, paths.values(), strict=True):
        node = NodeSettings(name=name, data=str(path), state=str(tmp_path / path.stem))
        accept_alike(node, load_study(tmp_path / "study.toml"))
    few = ("--policy", "updates", "--examples", "1", "--class-examples", "1")
    nodes = [
        begin("node", "--name", name, "--data", str(path), "--address", address, "--state", path.stem, *few)
        for name, path in zip(NAMES, paths.values(), strict=True)
    ]
    operator = Operator.of(link)
    assert _until(lambda: [site.status for site in operator.nodes().nodes_info].count("online") == 2)
    run = begin("run", "study.toml", "--arm", "fedavg", "--sites", "2", "--out", "out")
    assert _until(lambda: round_of(tmp_path / "out") > 0)

    run.terminate()
    assert run.wait(90) == 128 + signal.SIGTERM
    (ran,) = operator.runs().run_dict.values()
    assert (ran.status.status, ran.status.sub_status) == ("finished", "stopped")

    nodes[0].kill()
    nodes[1].terminate()
    assert nodes[1].wait(30) == 128 + signal.SIGTERM
    # One that could not take its leave in time is missed when its next sign of life is due.
    assert _until(lambda: "online" not in [site.status for site in operator.nodes().nodes_info], 90)

    up.kill()
    assert _until(lambda: not _using(address), 30)
    status = begin("status")
    assert status.wait(60) != 0
    assert b"does not answer" in next(tmp_path.glob("status-*.log")).read_bytes()
