"""The command killed, or interrupted, while its processes work: none outlives it, nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from headstart.core.machine import can_fork
from tiny_study import ARMS, FEDAVG, keys, numbers, write_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fork() or not Path("/proc/self/task").is_dir(), reason="this process cannot be cloned"),
]
LONG = FEDAVG.replace('"fedavg"', '"fedprox"').replace("rounds = 3", "rounds = 60")
MORE = '[tuning]\ntrials = 2\n[engine]\nway = "loop"\n[study]\nuntil = "all"\n'
STUDY = {"arms": {**ARMS, "prox": LONG}, "seeds": [0, 1, 2], "more": MORE}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    write_study(folder, **STUDY)
    with begin(folder, "reference", jobs=1) as process:
        said = process.communicate()[0].decode()
    assert process.returncode == 0, said
    return folder


@pytest.fixture(scope="module")
def draw() -> random.Random:
    return random.Random(0)


def begin(folder: Path, out: str, jobs: int = 2) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headstart", "study", "study.toml", "--out", out, "--jobs", str(jobs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def at_work(process: subprocess.Popen[bytes], folder: Path, nodes: int) -> list[int]:
    """Wait until some nodes are there, and return the processes that work."""
    while process.poll() is None and len(list((folder / "nodes").glob("*.json"))) < nodes:
        time.sleep(0.01)
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return []


def all_end(processes: list[int]) -> bool:
    """Say whether processes end within seconds."""
    deadline = time.monotonic() + 20
    while alive := [one for one in processes if Path(f"/proc/{one}").exists()]:
        if time.monotonic() > deadline:
            return not alive
        time.sleep(0.01)
    return True


def in_order(found: dict[str, Any]) -> dict[str, Any]:
    """Sort what is said of runs: an interrupted study has recorded those that were finished before their turn."""
    records = sorted(found["records"], key=lambda line: (line["arm"], line["seed"]))
    return {**found, "records": records, "clients": sorted(found["clients"], key=repr)}


def check_same(out: Path, reference: Path) -> None:
    assert in_order(numbers(out)) == in_order(numbers(reference))
    assert len(set(keys(out))) == len(keys(out)) == 9
    assert not list(out.rglob("*.tmp"))
    nodes = [{path.name for path in (one / "nodes").iterdir()} for one in (out, reference)]
    assert nodes[0] == nodes[1]


def test_killed_again_and_again(folder: Path, draw: random.Random) -> None:
    out, killed = folder / "killed", 0
    for nodes in range(3, 40, 6):
        with begin(folder, out.name) as process:
            workers = at_work(process, out, nodes)
            time.sleep(draw.uniform(0, 0.3))
            process.kill()
        killed += process.returncode == -signal.SIGKILL
        assert all_end(workers)
    assert killed >= 3
    with begin(folder, out.name) as process:
        said = process.communicate()[0].decode()
    assert process.returncode == 0, said
    check_same(out, folder / "reference")
    assert keys(out) == keys(folder / "reference")


def test_interrupted_it_says_the_answer_so_far_and_goes_on(folder: Path) -> None:
    out = folder / "interrupted"
    with begin(folder, out.name) as process:
        workers = at_work(process, out, 30)
        assert len(workers) == 2
        process.send_signal(signal.SIGINT)
        said = process.communicate()[0].decode()
    assert process.returncode == 130
    assert all_end(workers)
    assert "interrupted; finished work is kept" in said
    assert "Traceback" not in said
    with begin(folder, out.name) as process:
        process.communicate()
    check_same(out, folder / "reference")


def test_workers_killed_at_any_moment(folder: Path, draw: random.Random) -> None:
    out = folder / "workers"
    with begin(folder, out.name) as process:
        for nodes in range(4, 40, 5):
            for worker in at_work(process, out, nodes)[:1]:
                time.sleep(draw.uniform(0, 0.05))
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        process.communicate()
    assert process.returncode == 0
    check_same(out, folder / "reference")
