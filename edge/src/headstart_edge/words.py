"""Names from a bundle or from files as they may be printed on a terminal."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    r"""Return text as one line without a sign that a terminal acts upon, or that turns the order of others.

    >>> visible("cat\x1b[2J\ndog")
    'cat�[2J dog'
    """
    return "".join(map(_shown, text))


def _shown(sign: str) -> str:
    if sign.isspace():
        return sign if sign in " \u00a0\u3000" else " "
    return "\ufffd" if unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign not in _JOINERS else sign
