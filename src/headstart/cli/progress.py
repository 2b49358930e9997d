"""The progress bar: what is being done, how many runs are finished, how long it has taken."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Shows a bar on a terminal; elsewhere prints a line per finished run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description:<46.46}"),
            BarColumn(bar_width=24),
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
        """Set the number of runs."""
        self._bar.update(self._task, total=runs)

    def tell(self, text: str) -> None:
        """Show what is being done."""
        self._bar.update(self._task, description=escape(text))

    def finish(self, text: str) -> None:
        """Count one run and print its line."""
        self._bar.advance(self._task)
        self._console.print(f"  {escape(text)}", highlight=False)

    def warn(self, text: str) -> None:
        """Print a line that must not be overlooked."""
        self._console.print(f"[yellow]note[/]: {escape(text)}", highlight=False)

    def count(self, what: str, done: int, total: int) -> None:
        """Show how far a pass over the data is."""
        self.tell(f"{what}: {done:,} of {total:,} examples")
