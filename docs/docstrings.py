"""How docstrings become pages: their examples are code, and ``:class:`` and the like are left out.

mkdocstrings loads this file as an extension of Griffe.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\n).*)*", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):(?=`)")


class PlainDocstrings(griffe.Extension):  # type: ignore[misc]
    """Put fences around doctests, and take roles away."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change an object's docstring before it is parsed."""
        if obj.docstring is not None:
            text = _ROLE.sub("", obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", text)
