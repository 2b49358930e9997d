"""Clones of this process: where they may be, and a system that refuses."""

import errno
import os

import pytest

from headstart.core.errors import EngineError
from headstart.core.forks import fork
from headstart.core.machine import can_fork, why_no_fork

FORKS = pytest.mark.skipif(not can_fork(), reason="this system cannot fork")


@FORKS
def test_a_clone_has_what_this_process_has() -> None:
    read, write = os.pipe()
    process = fork(lambda word: os.write(write, word), b"here")
    process.join()
    assert (os.read(read, 10), process.exitcode, process.daemon) == (b"here", 0, True)


@FORKS
@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_system_that_gives_no_process_is_the_engines_fault(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse() -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(EngineError, match=r"a process could not be started .*fewer engine.workers"):
        fork(print)


@pytest.mark.parametrize(
    ("state", "words"),
    [("torch.cuda.is_initialized", "it has used a card"), ("torch.accelerator.is_available", "PyTorch sees a card")],
)
def test_a_process_with_a_card_is_never_cloned(monkeypatch: pytest.MonkeyPatch, state: str, words: str) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(state, lambda: True)
    assert not can_fork()
    assert words in why_no_fork()
    with pytest.raises(EngineError, match=words):
        fork(print)
