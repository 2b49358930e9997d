"""Kill -9 at any moment, run the same command: nothing is lost, doubled or different."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tiny_study import ARMS, FEDAVG, keys, numbers, read_records, run_tiny, write_study

KILLED = -signal.SIGKILL
STUDY = {
    "arms": {**ARMS, "ridge": 'start = "random"\nfederate = "ridge"', "prox": FEDAVG.replace('"fedavg"', '"fedprox"')},
    "seeds": [0, 1, 2, 3],
    "more": '[tuning]\ntrials = 2\n[engine]\ndevice = "cpu"',
}


@dataclass
class Forks:
    """A process that runs the study in forks of itself."""

    process: subprocess.Popen[str]
    reference: Path
    seconds: float

    def run(self, out: Path, *, write: int = 0, after: float | None = None) -> int:
        """Run the study in a fork that is killed at a synced write or after some seconds, or not at all."""
        self._send(f"{write} {out}")
        child = int(self._receive())
        if after is not None:
            time.sleep(after)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self._receive())

    def _send(self, line: str) -> None:
        stream: IO[str] = self.process.stdin  # type: ignore[assignment]
        stream.write(f"{line}\n")
        stream.flush()

    def _receive(self) -> str:
        return self.process.stdout.readline()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """The study, run undisturbed once, ready to be run and killed."""
    folder = tmp_path_factory.mktemp("kill")
    study, reference = write_study(folder, **STUDY), folder / "reference"
    script = Path(__file__).with_name("forks.py")
    arguments = [sys.executable, str(script), str(study), str(reference)]
    with started(arguments) as process:
        seconds = float(process.stdout.readline())  # type: ignore[union-attr]
        assert json.loads((reference / "verdict.json").read_text())["race"]["until"] == "decided"
        yield Forks(process, reference, seconds)


@contextmanager
def started(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process that one can talk to, and end it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        with process:
            yield process
    finally:
        process.kill()


def check_same(out: Path, reference: Path) -> None:
    """Compare all but the time it took, and look for what kills leave behind."""
    assert numbers(out) == numbers(reference)
    assert len(set(keys(out))) == len(keys(out)) == len(keys(reference)) >= 4 * 3
    assert not list(out.rglob("*.tmp"))
    names = {path.name for path in (reference / "weights").iterdir()}
    assert {path.name for path in (out / "weights").iterdir()} == names


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments(forks: Forks, tmp_path: Path, kills: int) -> None:
    draw, killed, out = random.Random(0), 0, tmp_path / "out"
    while killed < kills:
        code = forks.run(out, after=draw.uniform(0.02, forks.seconds / 4))
        killed += code == KILLED
        if code == 0:
            # Finished before the next kill: the rest of the kills hit a new folder.
            out.rename(tmp_path / f"finished-{killed}")
    assert forks.run(out) == 0
    for folder in tmp_path.iterdir():
        check_same(folder, forks.reference)


def test_killed_at_writes(forks: Forks, tmp_path: Path) -> None:
    draw, code, killed = random.Random(0), KILLED, 0
    while code == KILLED:
        # A start writes the study and its facts again; the third write is the first of new work.
        code = forks.run(tmp_path / "out", write=draw.randint(1, 9))
        killed += code == KILLED
        assert killed < 200
    assert (code, killed >= 8) == (0, True)
    check_same(tmp_path / "out", forks.reference)


@pytest.mark.slow
def test_the_command_killed_at_20_random_moments(tmp_path: Path) -> None:
    study, out, draw = write_study(tmp_path, **STUDY), tmp_path / "out", random.Random(1)
    command = [str(Path(sys.executable).with_name("headstart")), "study", str(study), "--out"]
    begin = time.monotonic()
    subprocess.run([*command, str(tmp_path / "reference")], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    for _ in range(20):
        with subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0, seconds))
            process.kill()
    subprocess.run([*command, str(out)], check=True, stdout=subprocess.DEVNULL)
    check_same(out, tmp_path / "reference")


def test_a_torn_last_line_is_run_again(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    out, before = tmp_path / "out", numbers(tmp_path / "out")
    content = (out / "records.jsonl").read_bytes()
    (out / "records.jsonl").write_bytes(content[:-40])
    run_tiny(tmp_path)
    assert numbers(out) == before
    assert (out / "records.jsonl").read_bytes() == content


def test_half_written_files_are_never_read_and_go(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    out, before = tmp_path / "out", numbers(tmp_path / "out")
    for file in list(out.rglob("*")):
        if file.is_file():
            torn = file.read_bytes()[: file.stat().st_size // 2]
            file.with_name(f".{file.name}.4711.tmp").write_bytes(torn)
    run_tiny(tmp_path)
    assert numbers(out) == before
    assert not list(out.rglob("*.tmp"))


def test_a_node_without_its_record_is_not_computed_again(tmp_path: Path) -> None:
    """The kill falls between a node and its record."""
    run_tiny(tmp_path)
    out, before = tmp_path / "out", numbers(tmp_path / "out")
    lines = read_records(out)
    stamps = {file: file.stat().st_mtime_ns for file in (out / "nodes").iterdir()}
    (out / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:1]))
    run_tiny(tmp_path)
    assert numbers(out) == before
    assert {file: file.stat().st_mtime_ns for file in (out / "nodes").iterdir()} == stamps
