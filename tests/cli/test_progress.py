from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from headstart.cli.progress import Bar

STAND = "so far: federate ahead of fine-tuning by 24.6 points; to decide: whether to adapt on top; 3 arms to run"


def bar(*, terminal: bool) -> tuple[Bar, io.StringIO]:
    told = io.StringIO()
    return Bar(Console(file=told, force_terminal=terminal, width=80, soft_wrap=True)), told


def frames(told: io.StringIO) -> list[str]:
    """All lines that were ever drawn, without colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told.getvalue()).replace("\r", "\n").splitlines()


def test_without_a_terminal_a_line_says_how_it_stands_whenever_that_changes() -> None:
    shown, told = bar(terminal=False)
    with shown:
        for text in ("a", "a", STAND, STAND, "a"):
            shown.stand(text)
    lines = told.getvalue().splitlines()
    assert [line.strip() for line in lines if line.strip() == "a"] == ["a", "a"]
    assert " ".join(" ".join(lines).split()) == f"a {STAND} a"
    assert max(map(len, lines)) <= 80


def test_on_a_terminal_all_of_it_is_below_the_bar() -> None:
    shown, told = bar(terminal=True)
    with shown:
        shown.plan(400)
        shown.tell("ridge-fedadam, seed 0: round 12 of 20, and some more of that")
        shown.finish("ridge, seed 0: 0.9")
        shown.stand(STAND)
    lines = frames(told)
    assert max(map(len, lines)) <= 80
    assert STAND in " ".join(" ".join(lines).split())
    assert any("1/400" in line for line in lines)


@pytest.mark.parametrize("planned", [0, 2, 3])
def test_the_bar_never_runs_past_its_end(planned: int) -> None:
    shown, told = bar(terminal=True)
    with shown:
        shown.plan(9)
        for name in "abc":
            shown.finish(name)
        shown.plan(planned)
        shown.stand("x")
        shown.finish("d")
        shown.stand("y")
    counts = [(int(done), int(total)) for done, total in re.findall(r"(\d+)/(\d+)", "\n".join(frames(told)))]
    assert all(done <= total for done, total in counts)
    assert {(3, 3), (4, 4)} <= set(counts)


def test_without_a_terminal_long_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 20))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    shown, told = bar(terminal=False)
    with shown:
        shown.plan(40)
        shown.finish("ridge, seed 0: 0.9")
        for step in range(4):
            shown.tell(f"fedavg, seed 0: round {step}")
    lines = [line.strip() for line in told.getvalue().splitlines() if line.strip()]
    assert lines[:2] == ["ridge, seed 0: 0.9", "… fedavg, seed 0: round 1 (1 of 40 runs are finished)"]
