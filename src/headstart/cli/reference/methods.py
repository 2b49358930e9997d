"""What a method says of itself: what it does, its paper, and how it differs from that."""

from __future__ import annotations

import inspect
import sys

from headstart.cli.reference.words import sentence
from headstart.core.registry import Entry


def summary(entry: Entry) -> str:
    """Return what a method does, from its class's docstring; a server optimiser's says its difference."""
    texts = [inspect.cleandoc(cls.__doc__ or "") for cls in (entry.factory, *entry.parts.values())]
    return " ".join(sentence(text.split("\n\n")[0]) for text in texts)


def paper(entry: Entry) -> tuple[str, str]:
    """Return a method's citation and what differs from its paper, from its file's docstring.

    Raises:
        ValueError: the docstring has no URL, or no line "Differs from the paper:".
    """
    module = [entry.factory, *entry.parts.values()][-1].__module__
    head, found, differs = inspect.cleandoc(sys.modules[module].__doc__ or "").partition("Differs from the paper:")
    citation = head.strip().partition("\n\n")[2]
    if not found or "https://" not in citation:
        raise ValueError(f"{module}: its docstring needs a URL and 'Differs from the paper:'")
    return sentence(citation), sentence(differs)
