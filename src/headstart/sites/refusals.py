"""What a site says where it does not answer: its own words may leave, those of what reads its data stay at home.

Errors of ``data`` quote cells, names of files and rows, for they help whoever holds the data. Of those the server is
told the setting, and names of columns that it knows already.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields

from headstart.core.errors import ClientError, HeadstartError
from headstart.data.settings import DataSettings, PixelSettings
from headstart.data.split_settings import SplitSettings

_SETTING = re.compile(r"([a-z_]+(?:\.[a-z_]+)*)[:\s]")
_TABLES = {"data": DataSettings, "data.split": SplitSettings, "data.pixels": PixelSettings}
_SETTINGS = {f"{table}.{field.name}" for table, kind in _TABLES.items() for field in fields(kind)}


class Refused(ClientError):
    """A refusal in words that may leave: of settings, rules, counts that may be told and names that are agreed."""


def words_outside(error: HeadstartError, site: str, names: Collection[str]) -> str:
    """Return what the server is told of an error.

    Args:
        error: of the site.
        site: its name.
        names: of columns, which the server knows already.

    >>> from headstart.core.errors import DataError
    >>> words_outside(DataError("data.label: value 'J. Doe' (row 3 of 'sex')"), "north", {"sex"})
    "'north' could not do as asked (data.label, 'sex'); its own log says more"
    >>> words_outside(Refused("'north' sends masked sums only"), "north", ())
    "'north' sends masked sums only"
    """
    if isinstance(error, Refused):
        return str(error)
    setting = _SETTING.match(str(error))
    known = [setting[1]] if setting and setting[1] in _SETTINGS else []
    named = [f"'{name}'" for name in sorted(names) if f"'{name}'" in str(error)][:3]
    where = f" ({', '.join([*known, *named])})" if known or named else ""
    return f"'{site}' could not do as asked{where}; its own log says more"
