"""Who is told what a command has to say: a person, or with ``--json`` a program."""

from __future__ import annotations

from collections.abc import Callable

import click


def for_programs() -> bool:
    """Return whether ``--json`` was given."""
    return _is_given("as_json")


def for_people() -> bool:
    """Return whether what is no answer and no error is printed: neither ``--json`` nor ``--quiet`` was given."""
    return not for_programs() and not _is_given("quiet")


def _is_given(option: str) -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get(option))


def say(reply: Callable[[], object]) -> None:
    """Print what a command says to programs, which is made only if one is listening."""
    if for_programs():
        # What replies are made of takes seconds to import.
        from headstart.cli.replies import reply_json

        click.echo(reply_json(_command(), reply()))


def _command() -> str:
    """Return what was typed, without the program's name: ``study``, or ``federate run``."""
    names, context = list[str](), click.get_current_context()
    while context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(names)
