"""A tutorial taken apart into the files it gives and the commands it types, and done as a reader would.

A page's conventions, all of which a Markdown viewer shows well:

- a paragraph that ends in "`NAME`:" stands before the block that is the file NAME;
- in a ``console`` block a line that begins with ``$ `` is typed, and ``north$ `` is typed on the machine (here: in the
  folder) north; what stands below is printed, and a line ``…`` stands for lines left out;
- a comment before a block is one of ``MARKS``.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from docs.pages import ROOT

MARKS = {
    "times differ": "seconds, minutes and times of day are any",
    "stays running": "typed in a terminal of its own, and ended with the tutorial",
    "fails": "ends with a code that is not 0, as the page says",
    "install": "installs packages: not typed in tests, which have them",
    "download": "takes data from a public address: the tests read the same files from HEADSTART_DATA",
    "another machine": "needs a second computer: not typed in tests",
}
NOT_TYPED = {"install", "download", "another machine"}
ADDRESS = "127.0.0.1:8000"
PROGRAMS = {
    "python": "",
    "headstart": "-m headstart",
    "headstart-edge": "-c 'import sys; from headstart_edge.cli import main; sys.exit(main())'",
}

_BLOCK = re.compile(
    r"(?:`(?P<name>[\w./-]+)`:\n\n)?(?:^<!-- (?P<mark>[\w ]+) -->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PROMPT = re.compile(r"(?P<machine>[a-z]*)\$ (?P<command>.+)")
_TIME = re.compile(r"(?:about )?(?:\d\d:\d\d|\d{4}-\d\d-\d\d|[\d.,]+ (?:s|min|h)\b|under a second)")


@dataclass(frozen=True)
class File:
    """A file that the page gives."""

    name: str
    body: str


@dataclass(frozen=True)
class Typed:
    """A command, what it prints, and the mark of its block."""

    machine: str
    command: str
    shown: tuple[str, ...]
    mark: str


def steps(page: Path) -> Iterator[File | Typed]:
    """Yield what a reader of the page does, in order."""
    for block in _BLOCK.finditer(page.read_text()):
        if block["kind"] == "console":
            yield from typed(block["body"], block["mark"] or "")
        elif block["name"]:
            yield File(block["name"], block["body"])


def typed(body: str, mark: str) -> Iterator[Typed]:
    """Yield the commands of a console block, each with the lines below it."""
    assert not mark or mark in MARKS, f"no such mark: {mark}"
    lines = body.splitlines()
    starts = [number for number, line in enumerate(lines) if _PROMPT.fullmatch(line)]
    assert starts[:1] == [0], f"a console block begins with a command: {body}"
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        prompt = _PROMPT.fullmatch(lines[start])
        assert prompt
        yield Typed(prompt["machine"], prompt["command"], tuple(lines[start + 1 : end]), mark)


def plain(lines: Iterator[str] | tuple[str, ...] | list[str], mark: str) -> list[str]:
    """Return lines without what depends on the machine: blanks, lengths of rules and, if marked so, times."""
    tidy = (re.sub("─+", "─", " ".join(line.split())) for line in lines)
    return [_TIME.sub("#", line) if mark == "times differ" else line for line in tidy if line]


def missing(shown: tuple[str, ...], printed: str, mark: str = "") -> list[str]:
    """Return the shown lines that were not printed there: whole passages in order, from the first line to the last.

    >>> missing(("a", "…", "c"), "a\\nb\\nc"), missing(("a", "c"), "a\\nb\\nc"), missing(("…", "b"), "a\\nb\\nc")
    ([], ['a', 'c'], ['b'])
    """
    there, at = plain(printed.splitlines(), mark), 0
    parts = [plain(part.split("\n"), mark) for part in re.split(r"^…$", "\n".join(shown), flags=re.MULTILINE)]
    for number, part in enumerate(parts):
        last = len(there) - len(part)
        starts = [i for i in range(at, last + 1) if (number or i == 0) and (number < len(parts) - 1 or i == last)]
        found = next((i for i in starts if there[i : i + len(part)] == part), None)
        if shown and found is None:
            return part
        at = (found or 0) + len(part)
    return []


def settings(folder: Path) -> dict[str, str]:
    """Return the environment of a reader's terminal, 112 columns wide, with the programs on its path."""
    programs = folder / ".programs"
    programs.mkdir(parents=True, exist_ok=True)
    for name, arguments in PROGRAMS.items():
        if (programs / name).exists():
            continue  # it may be running
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    paths = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'edge/src'}"}
    own = {"HEADSTART_EDGE_HOME": str(folder / ".edge"), "COLUMNS": "112", "NO_COLOR": "1"}
    return {**os.environ, **paths, **own}


def do(page: Path, folder: Path) -> None:
    """Make the page's files and type its commands in a folder; what was shown must be printed."""
    port = f"127.0.0.1:{free_port()}"
    with ExitStack() as terminals:
        for step in (elsewhere(step, port) for step in steps(page)):
            path = folder / (step.name if isinstance(step, File) else f"{step.machine}/any")
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(step, File):
                path.write_text(step.body)
            elif step.mark == "stays running":
                terminals.enter_context(stays(step, folder))
            elif step.mark not in NOT_TYPED:
                check(step, *run(step, folder))


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def elsewhere(step: File | Typed, address: str) -> File | Typed:
    """Return a step whose server has another port than the page's, which may be taken where the tests run."""
    if isinstance(step, File):
        return replace(step, body=step.body.replace(ADDRESS, address))
    shown = tuple(line.replace(ADDRESS, address) for line in step.shown)
    return replace(step, command=step.command.replace(ADDRESS, address), shown=shown)


def run(step: Typed, folder: Path) -> tuple[int, str]:
    """Type a command; return its exit code and what it printed."""
    done = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder / step.machine,
        env=settings(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout


def check(step: Typed, code: int, printed: str) -> None:
    """Fail where a command did not end, or print, as its page says."""
    assert (code != 0) == (step.mark == "fails"), f"{step.command} ended with {code}:\n{printed}"
    lacking = missing(step.shown, printed, step.mark)
    assert not lacking, "\n".join([f"{step.command} did not print:", *lacking, "but:", printed])


@contextmanager
def stays(step: Typed, folder: Path) -> Iterator[None]:
    """Let a command run beside the others, from when it has printed what is shown."""
    log = folder / f".{step.machine}.log"
    with log.open("w") as out:
        program = subprocess.Popen(
            ["bash", "-c", f"exec {step.command}"],
            cwd=folder / step.machine,
            env=settings(folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        await_lines(step, log, program)
        yield
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(60)


def await_lines(step: Typed, log: Path, program: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Wait until the log holds what is shown."""
    end = time.monotonic() + seconds
    while missing((*step.shown, "…"), log.read_text(), step.mark):
        assert program.poll() is None, f"{step.command} ended:\n{log.read_text()}"
        assert time.monotonic() < end, f"{step.command} did not print {step.shown}, but:\n{log.read_text()}"
        time.sleep(0.2)
