"""Calls to a link that may be away for a while: it is waited for, and that is said once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from headstart.core.progress import Tell

T = TypeVar("T")

_LONGEST_WAIT = 5.0
_PASSING = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)


@dataclass(eq=False)
class Patience:
    """One program's line to the link.

    Attributes:
        tell: told when the link is gone, and when it is back.
        check: raises what does not pass by waiting, of what an encrypted line can break by.
        away: whether it was said that the link is gone.
        broken: how many calls broke; whatever was on its way then may be lost.
    """

    tell: Tell
    check: Callable[[httpx.TransportError], None] = lambda _: None
    away: bool = False
    broken: int = 0

    def call(self, ask: Callable[[], T]) -> T:
        """Call the link until it answers.

        Raises:
            httpx.HTTPStatusError: it refuses.
            HeadstartError: what ``check`` raises.
        """
        wait = 0.1
        while True:
            try:
                found = ask()
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                self._bear(error, wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                if self.away:
                    self.tell("the link is back")
                self.away = False
                return found

    def _bear(self, error: httpx.TransportError | httpx.HTTPStatusError, wait: float) -> None:
        if isinstance(error, httpx.TransportError):
            self.check(error)
        elif error.response.status_code not in _PASSING:
            raise error
        self.broken += 1
        if wait > 1 and not self.away:
            self.tell(f"the link does not answer ({type(error).__name__}); it is tried until it does")
            self.away = True
        time.sleep(wait)
