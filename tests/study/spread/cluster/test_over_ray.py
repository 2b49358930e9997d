"""Ray itself, in processes of their own: its start costs seconds, and leaves threads."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from headstart.core.errors import EngineError, MissingExtra, SettingError
from headstart.study.spread.cluster.address import check_cluster, endpoint
from headstart.study.spread.cluster.over_ray import joined
from headstart.study.spread.local import check_jobs
from tiny_study import numbers, write_study

MORE = {"seeds": (0, 1, 2), "more": "[tuning]\ntrials = 2"}
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the extra 'cluster' is not installed")


@pytest.mark.parametrize(
    "address", ["", "head", "head:", ":6379", "head:0", "head:65536", "http://head:1", "ray://head"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SettingError, match=r"cluster: must be auto, HOST:PORT or ray://HOST:PORT, received"):
        endpoint(address)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="'ray' is not installed; it comes with the extra 'cluster'"):
        check_cluster("auto")


def command(file: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-u", "-m", "headstart", "study", str(file), "--out", str(out), *more]


@needs_ray
@pytest.mark.slow
def test_an_address_where_nothing_answers_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        file = write_study(tmp_path)
        done = subprocess.run(
            command(file, tmp_path / "out", "--cluster", address), capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert f"error: cluster: nothing answers at '{address}'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, run without a cluster."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run(command(write_study(folder, **MORE), folder / "out"), check=True, capture_output=True)
    return folder


@pytest.fixture
def begun(alone: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The study on a cluster of this machine, whose workers have opened it."""
    arguments = command(alone / "study.toml", tmp_path / "out", "--cluster", "auto")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("note: cluster:"):
                break
        yield process
        process.kill()


@needs_ray
@pytest.mark.slow
def test_a_cluster_gives_the_numbers_of_one_process_and_says_nothing_of_its_own(
    alone: Path, begun: subprocess.Popen[str], tmp_path: Path
) -> None:
    said, _ = begun.communicate(timeout=180)
    assert begun.returncode == 0, said
    assert numbers(tmp_path / "out") == numbers(alone / "out")
    assert not re.search(r"raylet|ray::|\(pid=|WARNING|INFO|Traceback", said)
    assert not list(Path(tempfile.gettempdir()).glob(f"headstart-ray-{begun.pid}-*"))


@needs_ray
@pytest.mark.slow
def test_a_killed_worker_is_replaced(alone: Path, begun: subprocess.Popen[str], tmp_path: Path) -> None:
    for pid in _descendants(begun.pid):
        if b"ray::Actor" in _command_of(pid):
            os.kill(pid, signal.SIGKILL)
            break
    said, _ = begun.communicate(timeout=180)
    assert begun.returncode == 0, said
    assert "was lost; what it was at is done again" in said
    assert numbers(tmp_path / "out") == numbers(alone / "out")


@needs_ray
@pytest.mark.slow
def test_a_killed_study_goes_on_without_a_cluster(alone: Path, begun: subprocess.Popen[str], tmp_path: Path) -> None:
    begun.kill()
    begun.wait()
    subprocess.run(command(alone / "study.toml", tmp_path / "out"), check=True, capture_output=True)
    assert numbers(tmp_path / "out") == numbers(alone / "out")


@needs_ray
@pytest.mark.slow
def test_ctrl_c_ends_the_cluster_that_was_started(begun: subprocess.Popen[str]) -> None:
    below = _descendants(begun.pid)
    begun.send_signal(signal.SIGINT)
    said, _ = begun.communicate(timeout=60)
    assert begun.returncode == 130, said
    assert "finished work is kept" in said
    assert not [pid for pid in below if b"raylet" in _command_of(pid)]


def _command_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _descendants(pid: int) -> list[int]:
    """Return all processes below one, the nearest first."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def test_jobs_and_a_cluster_exclude_each_other() -> None:
    with pytest.raises(SettingError, match=r"jobs: must be 1 on a cluster, .*, received 2; leave it out"):
        check_jobs(2, "head:6379")


@needs_ray
def test_a_ray_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ray

    def fails(**_: object) -> None:
        raise RuntimeError("the node timed out\nmore of it")

    monkeypatch.setattr(ray, "init", fails)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    said = r"could not be started on this machine \(RuntimeError: the node timed out\)"
    with pytest.raises(EngineError, match=said), joined("auto"):
        pass
    assert list(tmp_path.iterdir()) == []
