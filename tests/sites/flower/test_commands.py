"""Three machines as their operators type it: three commands on the server, two on each client; mistakes are a line."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from headstart.sites.flower.programs import free_ports
from sites.federations import write_csv

pytest.importorskip("flwr")
pytestmark = pytest.mark.slow

SITES = ("north", "south")
STUDY = """
name = "hearts"
[data]
source = "glyphs"
[model]
backbone = "linear"
[arms.fedavg]
start    = "random"
federate = { method = "fedavg", rounds = 2 }
[arms.local]
start = "random"
adapt = { method = "linear_probe", epochs = 2 }
[decision]
baseline = "fedavg"
"""
SITE = 'name = "{name}"\naddress = "{address}"\npolicy = "updates"\n[data]\nsource = "data.csv"\n'


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headstart", "federate", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


@contextmanager
def going(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "headstart", "federate", *words]
    with (folder / f"{words[0]}.log").open("wb") as log:
        program = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield program
    finally:
        program.terminate()
        program.wait(60)


def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def says(folder: Path, log: str, words: str) -> bool:
    return words in (folder / f"{log}.log").read_text()


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def server(tmp_path: Path, address: str) -> Path:
    """Folders of three machines, with what each operator has of its own."""
    for number, name in enumerate(("server", *SITES)):
        (tmp_path / name).mkdir()
        draw = np.random.default_rng(number)
        rows = [{"age": draw.normal(50 + 9 * (row % 2)), "label": ("well", "sick")[row % 2]} for row in range(200)]
        write_csv(tmp_path / name / "data.csv", rows)
        (tmp_path / name / "site.toml").write_text(SITE.format(name=name, address=address))
        (tmp_path / name / "study.toml").write_text(STUDY)
    return tmp_path / "server"


def test_three_commands_on_the_server_and_two_on_each_client(server: Path, address: str) -> None:
    made = typed(server, "keys", "--host", "127.0.0.1", "--site", "north", "--site", "south")
    assert made.stdout.splitlines()[1] == "to each client, as its folder of keys: keys/to/NAME; all else stays here"
    for name in SITES:
        shutil.copytree(server / "keys" / "to" / name, server.parent / name / "keys")
    with ExitStack() as programs:
        programs.enter_context(going(server, "up", "--address", address))
        until(lambda: says(server, "up", "up at"))
        twice = typed(server, "up", "--address", address)
        assert (twice.returncode, twice.stderr.count("\n")) == (2, 1)
        assert "--home: must be of one link" in twice.stderr.replace("\n", " ")
        for name in SITES:
            seen = typed(server.parent / name, "preview", "study.toml", "--config", "site.toml", "--accept")
            assert seen.stdout.endswith("accepted: 'hearts' is answered as shown\n")
        nodes = [programs.enter_context(going(server.parent / name, "node", "--config", "site.toml")) for name in SITES]
        ran = typed(server, "run", "study.toml", "--arm", "fedavg", "--sites", "2")
        assert ran.returncode == 0, ran.stderr
        assert "fedavg, seed 0: " in ran.stdout
        assert os.path.isdir(server / "runs" / "hearts-federated")
        whole = typed(server, "status")
        assert (whole.returncode, whole.stdout.count("connected")) == (0, 2)
        assert whole.stdout.splitlines()[-1].split()[2:] == ["hearts", "fedavg", "completed"]
        nodes[1].terminate()
        nodes[1].wait(60)
        some = typed(server, "status")
        assert some.returncode == 3
        assert [line.split()[:2] for line in some.stdout.splitlines()[1:3]] == [
            ["north", "connected"],
            ["south", "gone"],
        ]
        none = typed(server, "run", "study.toml", "--arm", "fedavgg", "--sites", "1")
        assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    gone = typed(server, "status")
    assert (gone.returncode, gone.stderr.count("\n")) == (1, 1)
