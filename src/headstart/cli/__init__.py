"""The ``headstart`` command."""

from headstart.cli.main import main

__all__ = ["main"]
