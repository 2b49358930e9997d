"""The terminal that everything is printed on: text of data, files and the network cannot command it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

from headstart.core.visible import visible


class Terminal(Console):
    """A console of which every piece of text goes through ``visible``; Rich itself lets escape sequences through."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of something to print."""
        for segment in super().render(renderable, options):
            yield segment if segment.control or segment.text == "\n" else _plain(segment)


def shown(text: str) -> str:
    r"""Return text that is not ours as one line of markup that says just that.

    >>> shown("[red]cat\n[/]")
    '\\[red]cat \\[/]'
    """
    return escape(visible(text))


def _plain(segment: Segment) -> Segment:
    text = "\n".join(map(visible, segment.text.split("\n")))
    return segment if text == segment.text else Segment(text, segment.style)
