"""The page's own script and what it reads: inside the page, allowed by its hash, and nothing else is.

Data stand in the page as JSON, in which no sign can end the element or be taken for markup; the script makes text of
them, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from headstart.core.visible import visible

_PARTS = ("start", "what_if", "panel", "tables", "figures", "clients", "begin")
_ESCAPED = {sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


@cache
def script() -> str:
    """Return the script, its parts one after the other, in a scope of its own."""
    body = "\n".join(part(name) for name in _PARTS)
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def part(name: str) -> str:
    """Return one part of the script, such as ``what_if``."""
    return (resources.files("headstart.report") / "templates" / "script" / f"{name}.js").read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Return what the page may load: this script, its own style, and pictures that it makes itself."""
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def harmless(value: Any) -> str:
    r"""Write plain values as JSON that can stand in a page.

    >>> harmless({"<b>": "</script>&"})
    '{"\\u003cb\\u003e":"\\u003c/script\\u003e\\u0026"}'
    """
    text = json.dumps(_visible(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return "".join(_ESCAPED.get(sign, sign) for sign in text) if any(sign in text for sign in _ESCAPED) else text


def _visible(value: Any) -> Any:
    """Take what is no letter out of every name."""
    if isinstance(value, dict):
        return {visible(str(key)): _visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item) for item in value]
    return visible(value) if isinstance(value, str) else value
