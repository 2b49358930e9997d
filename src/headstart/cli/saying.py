"""Who is told what a command has to say: a person, or with ``--json`` a program."""

from __future__ import annotations

from collections.abc import Callable

import click

from headstart.cli.replies import reply_json


def for_programs() -> bool:
    """Return whether ``--json`` was given."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get("as_json"))


def say(reply: Callable[[], object]) -> None:
    """Print what a command says to programs, which is made only if one is listening."""
    if for_programs():
        click.echo(reply_json(_command(), reply()))


def _command() -> str:
    """Return what was typed, without the program's name: ``study``, or ``federate run``."""
    names, context = list[str](), click.get_current_context()
    while context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names)
