"""Keeping a process away from the terminal that another one has."""

from __future__ import annotations

import os


def be_silent() -> None:
    """Let nothing that this process prints, nor its warnings, be seen."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
