"""One request to some sites: waits for what comes, asks again who was away, and closes when it is time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from flwr.app import Message

from headstart.sites.flower.mailbox import Arrived, Mail
from headstart.sites.flower.objects import LostError
from headstart.sites.signed import Sealed
from headstart.sites.transport import Answer, Failed, Request

_Reply = Answer[str] | Failed

_POLL_SECONDS = 0.1
"""Between looks, where the link does not hold them until something comes."""

_MOST_AT_ONCE = 8
"""Answers that are fetched beside each other."""

_MOST_TIMES = 5
"""That a site is asked the same again."""


@dataclass(frozen=True, eq=False)
class Post:
    """What one site was asked, and what was signed of it."""

    request: Request
    order: Sealed = field(repr=False)

    @property
    def site(self) -> int:
        """Its address."""
        return self.request.site


@dataclass(frozen=True, kw_only=True)
class Hours:
    """When a request closes.

    Attributes:
        timeout: seconds that sites have to answer.
        enough: share of sites whose answers close it, once ``grace`` seconds have passed since.
        grace: seconds for the rest.
        patience: seconds that a site which has gone has to come back.
        clock: seconds, from any moment on.
        tick: seconds between looks whether a site has come back.
    """

    timeout: float
    enough: float
    grace: float
    patience: float
    clock: Callable[[], float] = time.monotonic
    tick: float = 2.0


@dataclass(eq=False)
class _Now:
    """Where a request stands.

    Attributes:
        open: what was asked of sites that have not answered, by address.
        names: of messages that may still be answered, own and repeated ones.
        since: the word of each site when it was asked last.
        asked: how many sites.
        end: when the request closes.
        looked: when it was last seen who is there.
        lost: when it was first known that a site's answer is lost.
        times: how often each was asked.
        found: what came.
        events: what threads report: an answer that arrived, one that was read (None if it was lost), an error.
    """

    open: dict[int, Post]
    names: dict[str, Post]
    since: dict[int, str]
    asked: int
    end: float
    looked: float
    lost: dict[int, float] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    found: dict[int, _Reply] = field(default_factory=dict)
    events: SimpleQueue[tuple[Post, Arrived] | tuple[Post, _Reply | None] | Exception] = field(
        default_factory=SimpleQueue
    )
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, eq=False)
class Wait:
    """Waits for answers.

    Attributes:
        mail: sends, and says what came.
        make: makes the message that asks a site, which lives so many seconds.
        read: reads an answer within so many seconds; raises :class:`LostError` where it never comes whole.
        hours: when it closes.
        gone: says of a site that it did not come back.
        absent: sites that were waited for in vain before, and are not again until they have answered.
    """

    mail: Mail
    make: Callable[[Post, float], Message]
    read: Callable[[Post, Arrived, float], _Reply]
    gone: Callable[[Post], Failed]
    hours: Hours
    absent: set[int]

    def answers(self, posts: Sequence[Post], messages: Sequence[Message]) -> dict[int, _Reply]:
        """Send, and return what came, by site."""
        clock, since = self.hours.clock, dict(self.mail.since())
        end = clock() + self.hours.timeout
        names = dict(zip(self.mail.push_messages(messages), posts, strict=True))
        now = _Now({post.site: post for post in posts}, names, since, len(posts), end, clock())
        threading.Thread(target=self._watch, args=(now,), daemon=True).start()
        pool = ThreadPoolExecutor(_MOST_AT_ONCE)
        try:
            while now.open and clock() < now.end:
                self._step(now, pool)
        finally:
            now.over.set()
            # What is still being fetched ends by itself: its time was measured out.
            pool.shutdown(wait=False, cancel_futures=True)
        return now.found

    def _watch(self, now: _Now) -> None:
        """Report what arrives, until the request is closed."""
        while not now.over.is_set():
            begin = time.monotonic()
            try:
                came = self.mail.arrived(list(now.names)) if now.names else []
            except Exception as error:  # raised where the request is waited for, if it still is
                now.events.put(error)
                return
            for one in came:
                if post := now.names.pop(one.reply_to, None):
                    now.events.put((post, one))
            if not came:
                # What a link has held was waited for already.
                now.over.wait(max(0.0, begin + _POLL_SECONDS - time.monotonic()))

    def _step(self, now: _Now, pool: ThreadPoolExecutor) -> None:
        """Take one thing that happened, or see who has come back."""
        clock = self.hours.clock
        try:
            event = now.events.get(timeout=max(0.0, min(now.end - clock(), now.looked + self.hours.tick - clock())))
        except Empty:
            return self._look_after(now)
        if isinstance(event, Exception):
            raise event
        post, what = event
        if post.site not in now.open:
            return None
        if what is None:
            now.lost.setdefault(post.site, clock())
            now.since.pop(post.site, None)
        elif isinstance(what, Answer | Failed):
            self._close(now, post, what)
        else:
            pool.submit(self._fetch, now, post, what)
        return None

    def _fetch(self, now: _Now, post: Post, arrived: Arrived) -> None:
        try:
            now.events.put((post, self.read(post, arrived, now.end - self.hours.clock())))
        except LostError:
            now.events.put((post, None))

    def _close(self, now: _Now, post: Post, what: _Reply) -> None:
        now.found[post.site] = what
        del now.open[post.site]
        for name in [name for name, one in list(now.names.items()) if one is post]:
            now.names.pop(name, None)
        if isinstance(what, Answer):
            self.absent.discard(post.site)
        if len(now.found) >= self.hours.enough * now.asked and now.open:
            now.end = min(now.end, self.hours.clock() + self.hours.grace)

    def _look_after(self, now: _Now) -> None:
        """Ask again whoever came in anew since it was asked; what it was asked may have been lost on the way."""
        clock, since = self.hours.clock, self.mail.since()
        now.looked = clock()
        for site, post in list(now.open.items()):
            if site in since and since[site] != now.since.get(site) and now.times.get(site, 0) < _MOST_TIMES:
                now.since[site], now.times[site] = since[site], now.times.get(site, 0) + 1
                now.lost.pop(site, None)
                (name,) = self.mail.push_messages([self.make(post, max(1.0, now.end - clock()))])
                now.names[name] = post
            elif site in now.lost and (site in self.absent or clock() > now.lost[site] + self.hours.patience):
                self.absent.add(site)
                self._close(now, post, self.gone(post))
