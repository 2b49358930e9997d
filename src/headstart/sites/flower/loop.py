"""A site at work: one process beside the data, which answers what the operator asks, from the site's own settings."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import cast

import httpx
from flwr.app import Message

from headstart.core.disk import DiskError
from headstart.core.errors import ClientError, HeadstartError
from headstart.core.progress import Tell
from headstart.sites.answers import DUTIES, Kind, reply
from headstart.sites.flower.fleet import Fleet, Got, connected
from headstart.sites.flower.keys import read_public_key, read_site_secret
from headstart.sites.flower.parcels import Parcel, from_content, pack, to_content
from headstart.sites.flower.programs import Link
from headstart.sites.flower.seat import seat
from headstart.sites.said import Refusal
from headstart.sites.settings import NodeSettings
from headstart.sites.signed import Obeyed
from headstart.sites.site import Site
from headstart.sites.wire import write

_SHORTEST_POLL, _LONGEST_POLL = 0.05, 1.0
"""Seconds between questions whether there is something to do, put to a link that does not hold them until there is."""
_PAUSE_OF_REFUSED = 10.0
_log = logging.getLogger(__name__)


def serve(site: Site, link: Link, tell: Tell, most_bytes: int = NodeSettings.most_bytes) -> None:
    """Answer requests until this program ends.

    Args:
        site: whose data these are, and what may leave.
        link: where the server is.
        tell: told what is done.
        most_bytes: a message larger than this is not fetched.

    Raises:
        SettingError: a key or certificate is missing, others' to read, or has ended.
        ClientError: the server is not the one of the keys, or does not know the site.
    """
    own = link.certificate_of(site.name)
    for line in link.check_keys("ca.crt", own):
        tell(line)
    link.check_pair(own, own.removesuffix(".crt"))
    site.state.mkdir(parents=True, exist_ok=True)
    site.state.chmod(0o700)  # features, and what was answered
    key = read_site_secret(link.keys / own.removesuffix(".crt"))
    obeyed = Obeyed(site.name, read_public_key(link.keys / "signer.pub"), key, site.state / "orders.json")
    with seat(site.state) as place, connected(link, site.name, key, tell, place) as fleet:
        tell(f"'{site.name}' is connected to {link.address}; policy {site.policy}")
        signing = replace(site, peers=replace(site.peers, key=key))
        desk = _Desk(signing, obeyed, fleet, tell, most_bytes)
        while True:
            desk.next()


@dataclass(eq=False)
class _Desk:
    """Where requests are answered, one after another."""

    site: Site
    obeyed: Obeyed
    fleet: Fleet
    tell: Tell
    most_bytes: int
    pause: float = _SHORTEST_POLL
    _trouble: float = _SHORTEST_POLL
    _said_last: str = ""

    def next(self) -> None:
        """Answer the next request, if there is one; nothing that a link or a message holds ends the program."""
        try:
            begin = time.monotonic()
            got = self.fleet.pull()
            self._trouble = _SHORTEST_POLL
            if got is None:
                # What a link has held was waited for already.
                time.sleep(max(0.0, begin + self.pause - time.monotonic()))
                self.pause = min(1.1 * self.pause, _LONGEST_POLL)
            else:
                self.pause = _SHORTEST_POLL
                self._answer(got)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.UNAUTHORIZED:
                self._come_in_again()
            else:
                self._bear(f"a message was lost: the link said {error.response.status_code}")
        except (HeadstartError, DiskError) as error:
            # Whoever answers there may be another than the server of the keys: a site does not end by that.
            self._bear(f"refused: {error}")
        except Exception as error:
            # Whatever a hostile link can make a parser raise; its text is in the site's own log alone.
            text = f"refused: a message could not be read ({type(error).__name__})"
            if text != self._said_last:
                _log.exception("a message could not be read")
            self._bear(text)

    def _bear(self, text: str) -> None:
        """Say what went wrong, once while it is the same, and wait a little longer each time."""
        if text != self._said_last:
            self.tell(text)
        self._said_last = text
        time.sleep(self._trouble)
        self._trouble = min(2 * self._trouble, _PAUSE_OF_REFUSED)

    def _come_in_again(self) -> None:
        """The link has forgotten this site, as one without a database does; soon it may know it again."""
        try:
            self.fleet.activate()
        except ClientError as error:
            self._bear(str(error))

    def _answer(self, got: Got) -> None:
        begin = time.monotonic()
        kind = got.head.metadata.message_type.removeprefix("query.")
        if kind not in DUTIES:
            raise ClientError(f"a request of the unknown kind {kind[:40]!r}; nothing was done")
        message = self.fleet.open(got, self.most_bytes)
        parcel = from_content(message.content, self.most_bytes)
        self.obeyed.take(parcel.sealed, kind, parcel.text, parcel.packed)
        # What was answered once is never computed again: fresh noise on the same sums would average away.
        said, packed, sealed = self.obeyed.kept(parcel.sealed) or self.obeyed.keep(
            parcel.sealed, *self._said(cast("Kind", kind), parcel)
        )
        seconds = time.monotonic() - begin
        self.fleet.push(Message(to_content(Parcel(said, packed, sealed)), reply_to=message), seconds)
        self._said_last = ""
        self.tell(f"answered '{kind}' in {seconds:.2f} s")

    def _said(self, kind: Kind, parcel: Parcel) -> tuple[str, bytes]:
        """Return an answer; an error is its text, without a traceback."""
        try:
            said, tree = reply(self.site, kind, parcel.text, parcel.tree())
            return said, pack(tree)
        except HeadstartError as error:
            return write(Refusal(str(error), self.site.name)), pack({})
        except DiskError as error:
            self.tell(str(error))
            return write(Refusal("its disk takes no more; its operator must make room", self.site.name)), pack({})
        except Exception as error:
            # The text of an unforeseen error may quote data: it stays here, in the site's own log.
            _log.exception("'%s' failed", kind)
            text = f"it failed with {type(error).__name__}; its own log says more"
            return write(Refusal(text, self.site.name)), pack({})
