from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from headstart.cli.interrupts import second_ends_at_once

STUBBORN = """
import os, signal, time
from headstart.cli.interrupts import second_ends_at_once
with second_ends_at_once():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
    finally:
        print("closing", flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
"""


@pytest.fixture(autouse=True)
def _as_it_was() -> object:
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_raises_and_the_next_ends_the_process(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), second_ends_at_once():
        signal.raise_signal(number)
    assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_without_any_all_is_as_before() -> None:
    with second_ends_at_once():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with second_ends_at_once():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_process_that_is_slow_to_close_is_ended_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", STUBBORN], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "closing\n")
