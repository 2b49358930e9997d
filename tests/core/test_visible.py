from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe, 東京, می‌خواهم, 👩‍🔬", "Größe, 東京, می‌خواهم, 👩‍🔬"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hok", "ok"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]52;c;cm0gLXJm\x1b\\name", "name"),
        ("\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\", "here"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("bell\x07, back\x08", "bell�, back�"),
        ("two\nlines\r\nand\ttab", "two lines  and tab"),
        ("admin\u202egnp.exe", "admin�gnp.exe"),
        ("\u2066a\u2069", "�a�"),
        ("tag\U000e0041", "tag�"),
        ("zero\u200bwidth\ufeff", "zero�width�"),
        ("no \uffff character \ufdd0\U0001fffe", "no � character ��"),
        ("half \ud800", "half �"),
        ("line\u2028separator\x85next", "line separator next"),
        ("unfinished \x1b", "unfinished �"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text() | st.text(alphabet="\x1b[]0;mHJ\x9b\x07\\P \u202e"))
def test_whatever_the_text_nothing_of_control_is_left(text: str) -> None:
    found = visible(text)
    assert not any(unicodedata.category(sign) in ("Cc", "Cs") or "\u202a" <= sign <= "\u202e" for sign in found)
    assert visible(found) == found
    found.encode()
