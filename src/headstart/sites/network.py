"""What happens over the network, noted in the run folder as each exchange ends: who answered, bytes, seconds.

An exchange is all that is asked until something can be made of it: a round with its masks, an adaptation, a model that
is sent. A line is written when it ends, also where it came to nothing, so that a run that was cut off has those before.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.core.files import append_json_line
from headstart.report.network_lines import NETWORK, AtSite
from headstart.sites.transport import Answer, Ask, Crossed, Failed, Request

_SENT = ("round", "sums")
"""Exchanges in which sites send sums or updates."""


@dataclass(eq=False)
class _Exchange:
    """One, while it goes on.

    Attributes:
        says: what it is: its kind, and of a stage its key, method and round.
        begin: when it began, by the clock.
        crossed: with each site, by address.
        came: how it went with each; nothing of those of whom nothing is known yet.
        noises: on what each sent, in sensitivities.
    """

    says: Mapping[str, Any]
    begin: float
    crossed: dict[int, Crossed] = field(default_factory=dict)
    came: dict[int, tuple[str, str]] = field(default_factory=dict)
    noises: dict[int, float] = field(default_factory=dict)

    def cross(self, one: Answer[str] | Failed) -> None:
        """Count what it took to hear of a site."""
        before, now = self.crossed.get(one.site, Crossed(times=0)), one.crossed
        again = before.times + now.times - 1 if before.times else now.times
        self.crossed[one.site] = Crossed(before.down + now.down, before.up + now.up, again)

    def take(self, one: Answer[Any] | Failed) -> None:
        """Take how it went with a site."""
        if isinstance(one, Failed):
            self.came[one.site] = one.how, one.reason
            return
        self.came[one.site] = "answered", ""
        # Elsewhere a site's noise is what it asks for, not what it has added.
        if self.says["what"] in _SENT:
            self.noises[one.site] = float(getattr(one.said, "noise", None) or self.noises.get(one.site, 0.0))

    def at(self, site: int) -> AtSite:
        """Say how it went with a site."""
        (how, reason), noise = self.came.get(site, ("cut off", "")), self.noises.get(site)
        down, up, times = self.crossed.get(site, Crossed())
        return {"how": how, "reason": reason, "down": down, "up": up, "again": max(0, times - 1), "noise": noise}


@dataclass(eq=False)
class Network:
    """The transport of a run, which notes what goes over it.

    Attributes:
        ask: what carries the messages.
        folder: of the run.
        masks: whether sites hide what they send from the server.
        names: of sites, by address, as far as they are known.
        data: names what the sites hold, as soon as that is known; other data's lines are not this study's.
        run: names this program's run, at random.
        clock: seconds, from any moment on.
    """

    ask: Ask
    folder: Path
    masks: bool = False
    names: dict[int, str] = field(default_factory=dict)
    data: str = ""
    run: str = field(default_factory=lambda: secrets.token_hex(8))
    clock: Callable[[], float] = time.monotonic
    _now: _Exchange | None = None

    def __call__(self, requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        """Send, and yield what came from each site."""
        now = self._now
        if now:
            now.crossed |= {one.site: now.crossed.get(one.site, Crossed(times=0)) for one in requests}
        for one in self.ask(requests):
            if now:
                now.cross(one)
            yield one

    @contextmanager
    def noting(self, what: str, **says: Any) -> Iterator[None]:
        """Note what is asked in the block as one exchange; within another it is a part of that.

        Args:
            what: it is for.
            says: what else there is to say of it, such as its stage.

        Raises:
            DiskError: the disk does not take the line.
        """
        if self._now:
            yield
            return
        self._now = _Exchange({"what": what, **says}, self.clock())
        try:
            yield
        finally:
            now, self._now = self._now, None
            if now.crossed:
                append_json_line(self.folder / NETWORK, self._line(now))

    def take(self, came: Sequence[Answer[Any] | Failed]) -> None:
        """Take how it went with sites; what is found of an answer later holds."""
        self.names |= {one.site: one.client for one in came if one.client}
        if self._now:
            for one in came:
                self._now.take(one)

    def _line(self, now: _Exchange) -> dict[str, Any]:
        names = {site: self.names.get(site, f"site {site}") for site in now.crossed}
        return {
            **now.says,
            "run": self.run,
            "data": self.data,
            "ended": round(time.time(), 3),
            "seconds": round(self.clock() - now.begin, 6),
            "masks": self.masks,
            "clients": {name: now.at(site) for site, name in sorted(names.items(), key=lambda item: item[1])},
        }
