"""The progress bar: what is being done, how many runs are finished, how long it has taken, what is left to decide."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterator
from types import TracebackType

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from headstart.cli.terminal import shown
from headstart.core.visible import visible

_QUIET = 30.0
"""Seconds without a line, elsewhere than on a terminal, after which one says what is being done."""


class Bar:
    """Shows a bar on a terminal, and below it how the answer stands; elsewhere prints a line for what is new."""

    def __init__(self, console: Console) -> None:
        self._console, self._process = console, os.getpid()
        self._said = time.monotonic()
        self._bar = _Standing(
            TextColumn("{task.description:<38.38}"),
            BarColumn(bar_width=22),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("opening the data", total=None)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def plan(self, runs: int) -> None:
        """Set the number of runs; never below those that are finished."""
        self._bar.update(self._task, total=max(runs, self._finished))

    def tell(self, text: str) -> None:
        """Show what is being done."""
        if self._is_clone:
            return
        self._bar.update(self._task, description=shown(text))
        if not self._console.is_terminal and time.monotonic() - self._said >= _QUIET:
            self._print(f"  … {shown(text)}{self._so_far}")

    def finish(self, text: str) -> None:
        """Count one run and print its line; one more than was planned is planned with it."""
        self._bar.advance(self._task)
        total = self._bar.tasks[self._task].total
        if total is not None:
            self.plan(int(total))
        self._print(f"  {shown(text)}")

    def stand(self, text: str) -> None:
        """Show how the answer stands."""
        if visible(text) != self._bar.standing and not self._console.is_terminal:
            lines = textwrap.wrap(text, self._console.width, initial_indent="  ", subsequent_indent="    ")
            self._print("\n".join(map(shown, lines)))
        self._bar.standing = visible(text)
        self._bar.refresh()

    def warn(self, text: str) -> None:
        """Print a line that must not be overlooked."""
        if not self._is_clone:
            self._print(f"[yellow]note[/]: {shown(text)}")

    def count(self, what: str, done: int, total: int) -> None:
        """Show how far a pass over the data is."""
        self.tell(f"{what}: {done:,} of {total:,} examples")

    def _print(self, line: str) -> None:
        self._said = time.monotonic()
        self._console.print(line, highlight=False)

    @property
    def _so_far(self) -> str:
        """How many runs are finished, where it is known of how many."""
        total = self._bar.tasks[self._task].total
        return "" if total is None else f" ({self._finished} of {int(total)} runs are finished)"

    @property
    def _is_clone(self) -> bool:
        """Whether this is a clone of the process that has the bar: a thread that it has not may hold the bar's lock."""
        return os.getpid() != self._process

    @property
    def _finished(self) -> int:
        return int(self._bar.tasks[self._task].completed)


class _Standing(Progress):
    """A bar with a line below it, wrapped to the terminal."""

    standing = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield the bar, then the line."""
        yield from super().get_renderables()
        if self.standing:
            yield Padding(Text(self.standing, style="dim", no_wrap=False, overflow="fold"), (0, 0, 0, 2))
