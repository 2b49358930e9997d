"""Before a run begins: who is there, and who is missing, by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from headstart.core.errors import ClientError, SettingError
from headstart.core.progress import Tell
from headstart.core.words import listed

_PAUSE = 0.2
_MOST_NAMES = 20


class _Mail(Protocol):
    @property
    def addresses(self) -> Collection[int]:
        """Of the sites that are there."""
        ...


def wait_for(
    mail: _Mail,
    names: Mapping[int, str],
    sites: int,
    seconds: float,
    tell: Tell,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until so many sites are there; say who is missing, once for each change.

    Args:
        mail: which says whose addresses are there.
        names: of all sites of the keys, by address.
        sites: how many are to come.
        seconds: that they have.
        tell: told who is missing.
        clock: which says the time, in seconds.
        pause: which waits between two looks.

    Raises:
        SettingError: the keys know fewer sites.
        ClientError: the time is up; the message names who is missing.
    """
    if sites > len(names):
        known = listed(sorted(names.values()), _MOST_NAMES)
        raise SettingError(
            f"--sites: must be at most the {len(names)} sites of the keys ({known}), received {sites}; ask for fewer, "
            "or make keys for more"
        )
    end, said = clock() + seconds, ""
    while words := _missing(set(mail.addresses), names, sites):
        if clock() >= end:
            raise ClientError(
                f"federation: {sites} sites were to come within {seconds:g} s, and some did not: {words}; start them "
                "with 'headstart federate node', wait longer, or ask for fewer with --sites"
            )
        if words != said:
            tell(f"waiting for: {words}")
        said = words
        pause(_PAUSE)


def _missing(here: Collection[int], names: Mapping[int, str], sites: int) -> str:
    """Name who is missing; empty where enough are there.

    >>> _missing([1, 2], {1: "north", 2: "south", 3: "east", 4: "west"}, 4)
    'east, west (2 of 4 there)'
    >>> _missing([1], {1: "north", 2: "south", 3: "east"}, 2)
    '1 of east, south (1 of 2 there)'
    """
    there = sum(address in here for address in names)
    absent = sorted(name for address, name in names.items() if address not in here)
    if there >= sites:
        return ""
    some = "" if len(absent) == sites - there else f"{sites - there} of "
    return f"{some}{listed(absent, _MOST_NAMES)} ({there} of {sites} there)"
