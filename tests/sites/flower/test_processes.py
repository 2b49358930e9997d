"""What is started ends with who started it: by SIGTERM, SIGHUP, Ctrl-C, an error, and on Linux by SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart.sites.flower.processes import together

STARTER = """
import signal, sys, time
from pathlib import Path
from headstart.sites.flower.processes import together
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs do not hear it
with together(grace=2) as start:
    program = start([sys.executable, "-c", sys.argv[2]])
    Path(sys.argv[1]).write_text(str(program.pid))
    program.wait()
"""
SLEEPER = "import time; time.sleep(100)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}, 'grandchild-of-headstart'])"


def _alive(process: int) -> bool:
    """Say whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _within(seconds: float, holds: Iterator[bool]) -> bool:
    end = time.monotonic() + seconds
    for found in holds:
        if found:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return False


def _started(path: Path, child: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program that starts a child; return it and the child's number."""
    program = subprocess.Popen([sys.executable, "-c", STARTER, str(path), child])
    assert _within(30, (bool(path.exists() and path.read_text()) for _ in iter(int, 1)))
    return program, int(path.read_text())


def _ends(process: int) -> bool:
    return _within(60, (not _alive(process) for _ in iter(int, 1)))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_child_ends_with_its_parent(number: signal.Signals, tmp_path: Path) -> None:
    program, child = _started(tmp_path / "child", SLEEPER)
    program.send_signal(number)
    program.wait(60)
    assert _ends(child)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_told_by_the_exit_status(number: signal.Signals, tmp_path: Path) -> None:
    program, _ = _started(tmp_path / "child", SLEEPER)
    program.send_signal(number)
    assert program.wait(60) == 128 + number


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    program, child = _started(tmp_path / "child", DEAF)
    time.sleep(0.3)  # until it is deaf
    program.terminate()
    program.wait(60)
    assert _ends(child)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_grandchildren_end_too(tmp_path: Path) -> None:
    program, child = _started(tmp_path / "child", PARENT)
    children = Path(f"/proc/{child}/task/{child}/children")
    assert _within(60, (bool(children.read_text().split()) for _ in iter(int, 1)))
    grandchild = int(children.read_text().split()[0])
    program.terminate()
    program.wait(60)
    assert _ends(grandchild)


def test_an_error_ends_programs_and_signals_are_as_before() -> None:
    before, programs = signal.getsignal(signal.SIGTERM), []

    def fail() -> None:
        with together(grace=2) as start:
            programs.append(start([sys.executable, "-c", SLEEPER]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert programs[0].poll() == -signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_log_takes_what_a_program_says(tmp_path: Path) -> None:
    said = "import os; print(os.environ['NAME'])"
    with (tmp_path / "log").open("wb") as log, together() as start:
        start([sys.executable, "-c", said], {**os.environ, "NAME": "north"}, log).wait()
    assert (tmp_path / "log").read_text().strip() == "north"
