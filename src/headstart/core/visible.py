"""Text of others as it may be printed: what a terminal would obey, or show in another order, is taken out."""

from __future__ import annotations

import re
import unicodedata

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, the cursor, erasing
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, the clipboard
    r"|\x9b[0-?]*[ -/]*[@-~]"  # the first, in one byte
    r"|\x1b[ -/]*[0-~]"
)
_JOINERS = "\u200c\u200d"
"""Invisible letters that Persian, Hindi and emoji are written with."""
_LOST = "\ufffd"


def visible(text: str) -> str:
    r"""Return text of data, a file or the network as one line without a sign that a terminal acts upon.

    Sequences of ANSI go; any other sign of control, bidirectional override, tag, half of a surrogate or code that is no
    character becomes ``�``; line ends and tabs become blanks. A terminal's own protocol is ECMA-48; why the order of
    signs matters is in Boucher and Anderson: Trojan Source. 2021. https://arxiv.org/abs/2111.00169

    >>> visible("cats\x1b[2J\x1b]0;gone\x07 and\ndogs")
    'cats and dogs'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, _SEQUENCE.sub("", text)))


def _shown(sign: str) -> str:
    if sign.isspace():
        return sign if sign in " \u00a0\u3000" else " "
    # Cc: control; Cf: format, among it what turns the order of signs; Cs: half of a surrogate, which nothing can print.
    is_command = unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign not in _JOINERS
    return _LOST if is_command or ord(sign) & 0xFFFE == 0xFFFE or "\ufdd0" <= sign <= "\ufdef" else sign
