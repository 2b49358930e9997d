"""The report page while a study runs: written, and opened in the user's browser as soon as there is one."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path


class Pages:
    """Writes the page of a run folder whenever it is called; opens the first one if that is wanted.

    Args:
        warn: told in a line if there is no browser to open it.
        opens: whether it is opened.
    """

    def __init__(self, warn: Callable[[str], None], *, opens: bool) -> None:
        self._warn, self._opens = warn, opens

    def __call__(self, out: Path) -> None:
        """Write the page."""
        from headstart.report import write_report

        (page,) = write_report(out)
        if self._opens:
            self._opens = False
            self._open(page)

    def _open(self, page: Path) -> None:
        if not _opened(page.resolve().as_uri()):
            self._warn(f"no browser was found to open the page; it is {page}")


def _opened(address: str) -> bool:
    """Open an address in a browser with a window; a run must not fail, or wait, for it."""
    has_screen = any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
    if sys.platform.startswith("linux") and not has_screen:
        # What is left there are browsers that would take this terminal.
        return False
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
