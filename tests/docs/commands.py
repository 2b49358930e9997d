"""The commands of Headstart's programs that the pages tell their readers to type."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
from click.exceptions import Exit
from typer.main import get_command

from docs.pages import DOCS, PAGES, ROOT, blocks
from docs.tutorial import NOT_TYPED, Typed, steps
from headstart.cli.main import app
from headstart_edge.cli import parser

PROGRAMS = ("headstart", "headstart-edge")
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))

_INLINE = re.compile(r"`((?:headstart|headstart-edge) [a-z]+ [^`]*)`")
_OF_OTHERS = ("python", "pytest", "pip")


@dataclass(frozen=True)
class Command:
    """One call of a program, without its folder, prompt, comment and what stands around it."""

    program: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join((self.program, *self.arguments))


def commands_in(text: str) -> list[Command]:
    """Return the calls of our programs in lines of a shell.

    >>> [str(one) for one in commands_in("cd x && .venv/bin/headstart demo  # a try\\n$ srun headstart plan 'a b'")]
    ['headstart demo', "headstart plan 'a b'"]
    """
    lines = text.replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in re.split(r"&& |; | \| ", line)]
    found = [_command(part) for part in parts if "headstart" in part]
    return [command for command in found if command]


def _command(part: str) -> Command | None:
    try:
        words = shlex.split(part, comments=True)
    except ValueError:  # a printed line, with an apostrophe
        return None
    if words[:1] and Path(words[0]).name in _OF_OTHERS:
        return None
    for number, word in enumerate(words):
        if Path(word).name in PROGRAMS and not word.endswith("/"):
            return Command(Path(word).name, tuple(words[number + 1 :]))
    return None


def told() -> dict[str, Command]:
    """Return every command in a block of a page, but for the tutorials', which are typed by their own test."""
    pages = [page for page in [*PAGES, ROOT / "edge" / "README.md"] if page not in TUTORIALS]
    texts = [text for page in pages for kind in ("console", "bash", "yaml") for text in blocks(page, kind)]
    return {str(command): command for text in texts for command in commands_in(text)}


def typed_in_tutorials() -> set[str]:
    """Return every command that the tutorials' test types."""
    typed = [step for page in TUTORIALS for step in steps(page) if isinstance(step, Typed)]
    return {str(one) for step in typed if step.mark not in NOT_TYPED for one in commands_in(step.command)}


def all_of_tutorials() -> dict[str, Command]:
    """Return every command in a block of a tutorial, typed or not."""
    found = [one for page in TUTORIALS for text in blocks(page, "console") for one in commands_in(text)]
    return {str(one): one for one in found}


def inline() -> dict[str, Command]:
    """Return the commands that pages quote within a line with arguments, where none is an ellipsis or optional."""
    found = [" ".join(quoted.split()) for page in PAGES for quoted in _INLINE.findall(page.read_text())]
    whole = [one for quoted in found if not re.search(r"[…\[]", quoted) for one in commands_in(quoted)]
    return {str(one): one for one in whole}


def parse(command: Command) -> None:
    """Have the real program read a command, and run nothing; what it does not know is an error of click or argparse."""
    if command.program == "headstart-edge":
        parser().parse_args(list(command.arguments))
        return
    group, arguments = get_command(app), list(command.arguments)
    with suppress(Exit):  # an option that prints something and stops
        _parse(group, arguments)


def _parse(group: click.Command, arguments: list[str]) -> None:
    context = group.make_context("headstart", arguments)
    while isinstance(group, click.Group):
        at = next((at for at, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
        name, arguments = "".join(arguments[at : at + 1]), arguments[at + 1 :]
        found = group.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no command {name!r}")
        context = found.make_context(name, arguments, parent=context)
        group = found
